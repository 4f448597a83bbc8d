package measure

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Sample is what some repetitions took, each.
type Sample struct {
	N      int     // how many repetitions
	Wall   float64 // nanoseconds on the clock
	CPU    float64 // nanoseconds of all threads of the process, the system's included
	Allocs float64 // objects of Go's heap
	Bytes  float64 // of Go's heap
}

// run does it n times in all, on so many goroutines.
func run(do func(int) ([]byte, error), n, goroutines int) (Sample, error) {
	var before, after runtime.MemStats
	runtime.GC() // what was left by others is not this one's
	runtime.ReadMemStats(&before)
	cpu, start := processTime(), time.Now()
	err := repeat(do, n, goroutines)
	wall := time.Since(start)
	cpu = processTime() - cpu
	runtime.ReadMemStats(&after)
	each := func(total float64) float64 { return total / float64(n) }
	return Sample{
		N: n, Wall: each(float64(wall)), CPU: each(float64(cpu)),
		Allocs: each(float64(after.Mallocs - before.Mallocs)), Bytes: each(float64(after.TotalAlloc - before.TotalAlloc)),
	}, err
}

func repeat(do func(int) ([]byte, error), n, goroutines int) error {
	if goroutines <= 1 {
		return part(do, 0, n)
	}
	var all sync.WaitGroup
	errs := make([]error, goroutines)
	for g := range goroutines {
		all.Go(func() { errs[g] = part(do, g*n/goroutines, (g+1)*n/goroutines) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func part(do func(int) ([]byte, error), from, to int) error {
	for i := from; i < to; i++ {
		if _, err := do(i); err != nil {
			return err
		}
	}
	return nil
}

func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// calibrate finds how many repetitions take as long as target, on so many goroutines. It is the warm-up, too.
func calibrate(do func(int) ([]byte, error), target time.Duration, goroutines int) (int, error) {
	n := goroutines
	for {
		s, err := run(do, n, goroutines)
		if err != nil {
			return 0, err
		}
		took := time.Duration(s.Wall * float64(n))
		if took >= target {
			return n, nil
		}
		grown := int(1.2 * float64(target) / max(s.Wall, 1))
		n = min(max(grown, 2*n), 100*n)
	}
}

// fillTime is how long the keys of a task may take to get into a cache. libmongocrypt keeps them for 60 s.
const fillTime = 20 * time.Second

// Fill decrypts every input once, so that a task of DecryptValue finds all its keys in the cache.
func Fill(t Task, decrypt func(int) ([]byte, error)) error {
	begin := time.Now()
	for i := range t.Inputs {
		if _, err := decrypt(i); err != nil {
			return err
		}
		if i%100 == 0 && time.Since(begin) > fillTime {
			return &SlowError{fmt.Sprintf("%d keys in %s", i, fillTime)}
		}
	}
	return nil
}
