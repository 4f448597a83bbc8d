//go:build race

package cryptd_test

// raceDetector: with it, a sync.Pool forgets at random.
const raceDetector = true
