package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// server is a program that listens on a port of the loopback interface.
type server struct {
	uri string
	cmd *exec.Cmd
	log bytes.Buffer // to be read after the end
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
	s := &server{uri: "mongodb://" + address, cmd: exec.Command(program, arguments(port)...)}
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 300 {
		if c, err := net.Dial("tcp", address); err == nil {
			return s, c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("%s does not listen on %s: %s", program, address, s.log.Bytes())
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // a program that was told to end may call that a failure
}

// servers are the programs by which end to end is measured; those without a path are not there.
type servers struct{ ferretDB, java, mongocryptd string }

// workloads starts the servers; stop ends them.
func (s servers) workloads() (table []workload.Workload, stop func(), err error) {
	var running []*server
	stop = func() {
		for _, r := range running {
			r.stop()
		}
	}
	start := func(program string, arguments func(string) []string) string {
		if program == "" || err != nil {
			return ""
		}
		r, why := listen(program, arguments)
		if why != nil {
			err = errors.Join(err, why)
			return ""
		}
		running = append(running, r)
		return r.uri
	}
	onlyPort := func(port string) []string { return []string{port} }
	daemon := start(s.mongocryptd, func(port string) []string { return []string{"--port=" + port} })
	if uri := start(s.ferretDB, onlyPort); uri != "" {
		table = append(table, workload.OnServer("FerretDB", uri, daemon)...)
	}
	if uri := start(s.java, onlyPort); uri != "" {
		table = append(table, workload.OnServer("mongo-java-server", uri, daemon)...)
	}
	return table, stop, err
}
