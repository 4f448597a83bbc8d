//go:build race

package fieldcrypt_test

// raceDetector: with it, a sync.Pool forgets at random.
const raceDetector = true
