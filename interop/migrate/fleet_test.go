//go:build unix

package migrate

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// process is a program at work.
type process struct {
	cmd    *exec.Cmd
	moving chan struct{} // closed at its first line of progress
	once   sync.Once
	out    bytes.Buffer // read when it has ended
	errs   bytes.Buffer
}

// Write takes what it prints.
func (p *process) Write(b []byte) (int, error) {
	p.out.Write(b)
	if bytes.Contains(p.out.Bytes(), []byte(`"progress"`)) {
		p.once.Do(func() { close(p.moving) })
	}
	return len(b), nil
}

func (o *operator) start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: o.command("run", append(args, "--yes", "--json", "--checkpoints", o.people.Database().Name()+".checkpoints")...), moving: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, &p.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil { // the test has failed
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (p *process) wait(t *testing.T) outcome {
	t.Helper()
	_ = p.cmd.Wait() // an exit code is no surprise
	return ended(t, p.cmd, p.out.String(), p.errs.String())
}

func newFleet(t *testing.T, n int) (*operator, *application) {
	t.Helper()
	w := newWorld(t)
	w.fill(t, n, func(i int) bson.D { return person(i, 0) })
	return newOperator(t, w), newApplication(n)
}

// Processes that start at the same time, also on the same partition, share the work: each document is changed by one of them.
func TestFleet(t *testing.T) {
	const documents = 3000
	for name, partitions := range map[string][]string{"no partitions": {"0/1", "0/1", "0/1"}, "one partition twice": {"0/2", "1/2", "0/2"}} {
		t.Run(name, func(t *testing.T) {
			o, a := newFleet(t, documents)
			var fleet []*process
			for _, partition := range partitions {
				fleet = append(fleet, o.start(t, "--partition", partition, "--ranges", "12", "--workers", "2", "--batch", "50"))
			}
			changed := int64(0)
			for i, p := range fleet {
				ended := p.wait(t)
				if ended.code != 0 || !ended.report.OK {
					t.Errorf("process %d: %+v", i, ended)
				}
				changed += ended.report.Changed
			}
			if changed != documents {
				t.Errorf("%d documents were changed, of %d", changed, documents)
			}
			read := int64(0)
			for _, partition := range []string{"0/2", "1/2"} {
				ended := o.run(t, "verify", "--json", "--partition", partition, "--checkpoints", o.people.Database().Name()+".checkpoints")
				if ended.code != 0 || !ended.report.OK || ended.report.Documents == documents {
					t.Errorf("verify %s: %+v", partition, ended)
				}
				read += ended.report.Documents
			}
			if read != documents {
				t.Errorf("%d documents were verified, of %d", read, documents)
			}
			a.check(t, o.world)
		})
	}
}

// slowly makes a process hold a batch that it has read for a while before it changes its documents, and noticeably miss its lease.
var slowly = []string{"--ranges", "2", "--workers", "2", "--batch", "100", "--docs-per-second", "100", "--lease", "2s"}

// What a process leaves that is killed, another one that waits takes over when the lease is over.
func TestTakeOver(t *testing.T) {
	const documents = 1000
	o, a := newFleet(t, documents)
	first := o.start(t, slowly...)
	<-first.moving
	second := o.start(t, "--lease", "2s")
	first.signal(t, os.Kill)
	_ = first.cmd.Wait()
	ended := second.wait(t)
	if ended.code != 0 || !ended.report.OK || ended.report.Changed == 0 || ended.report.Changed >= documents {
		t.Errorf("the second process: %+v", ended)
	}
	a.check(t, o.world)
}

// A process that sleeps, like a laptop or a virtual machine that is moved, loses its ranges to another. When it wakes it still has documents as they were,
// and changes none of them: not those that are done, nor those that were written anew.
func TestWakeUp(t *testing.T) {
	const documents = 1000
	o, a := newFleet(t, documents)
	first := o.start(t, slowly...)
	<-first.moving
	first.signal(t, syscall.SIGSTOP)
	second := o.start(t, "--lease", "2s").wait(t)
	if second.code != 0 || !second.report.OK || second.report.Changed == 0 {
		t.Errorf("the second process: %+v", second)
	}
	a.check(t, o.world)

	encrypted, plain := o.encrypted(t), o.people
	for i := range documents {
		people := []*mongo.Collection{nil, encrypted, plain}[i%3] // every third stays as it is
		if people == nil {
			continue
		}
		a.set(i, stateOf(1, alive))
		if _, err := people.ReplaceOne(t.Context(), bson.D{{Key: "_id", Value: i}}, person(i, 1), options.Replace()); err != nil {
			t.Fatal(err)
		}
	}
	first.signal(t, syscall.SIGCONT)
	woken := first.wait(t)
	if !woken.report.Complete || woken.report.Found != 0 {
		t.Errorf("the first process: %+v", woken)
	}
	if last := o.start(t).wait(t); last.code != 0 || !last.report.OK {
		t.Errorf("the last process: %+v", last)
	}
	a.check(t, o.world)
}
