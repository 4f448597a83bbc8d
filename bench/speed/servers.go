package main

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// server is a program that listens on a port of the loopback interface.
type server struct {
	uri   string
	cmd   *exec.Cmd
	log   bytes.Buffer // to be read after the end
	ended chan struct{}
}

// listen starts a program and waits until it listens. The arguments take its port.
func listen(program string, arguments func(port string) []string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if err := l.Close(); err != nil {
		return nil, err
	}
	s := &server{uri: "mongodb://" + address, cmd: exec.Command(program, arguments(port)...), ended: make(chan struct{})}
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // a program that was told to end may call that a failure
		close(s.ended)
	}()
	if !s.listens(address) {
		s.stop()
		return nil, fmt.Errorf("%s does not listen on %s: %s", program, address, s.log.Bytes())
	}
	return s, nil
}

// listens waits until the program does, not another one that has taken its port meanwhile.
func (s *server) listens(address string) bool {
	for range 300 {
		select {
		case <-s.ended:
			return false
		case <-time.After(100 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return true
		}
	}
	return false
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.ended
}

// servers are the programs by which end to end is measured; those without a path are not there.
type servers struct{ ferretDB, java, mongocryptd string }

// do starts the servers whose workloads are wanted, one after the other, and runs those.
func (s servers) do(wanted func(workload.Workload) bool, run func([]workload.Workload) error) error {
	for _, one := range []struct{ name, program string }{{"FerretDB", s.ferretDB}, {"mongo-java-server", s.java}} {
		if one.program == "" || !slices.ContainsFunc(workload.OnServer(one.name, "", ""), wanted) {
			continue
		}
		if err := s.on(one.name, one.program, run); err != nil {
			return err
		}
	}
	return nil
}

func (s servers) on(name, program string, run func([]workload.Workload) error) error {
	r, err := listen(program, func(port string) []string { return []string{port} })
	if err != nil {
		return err
	}
	defer r.stop()
	daemon, err := listen(s.mongocryptd, func(port string) []string { return []string{"--port=" + port} })
	if err != nil {
		return err
	}
	defer daemon.stop()
	return run(workload.OnServer(name, r.uri, daemon.uri))
}
