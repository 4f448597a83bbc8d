//go:build !race

package fieldcrypt_test

const raceDetector = false
