//go:build !race

package cryptd_test

const raceDetector = false
