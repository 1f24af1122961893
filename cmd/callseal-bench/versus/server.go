// Package versus measures callseal against other servers, which it starts and
// ends by itself on this machine.
package versus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"callseal/bench"
)

// Errors of the comparisons.
var (
	errStart   = errors.New("cannot be started")
	errMeasure = errors.New("cannot be measured")
)

// server is a process under measurement. stop must be called.
type server struct {
	name    string
	cmd     *exec.Cmd
	log     *os.File
	ended   chan struct{} // closed when the process has ended
	err     error         // how; set before that
	sampler *bench.Sampler
}

// start runs a program on its core with its output in a file of dir.
func start(dir string, core int, name, program string, args ...string) (*server, error) {
	s, err := command(dir, name, program, args...)
	if err != nil {
		return nil, err
	}
	s.cmd.Stdout = s.log
	return s, s.run(core)
}

// command is a server that has not started yet.
func command(dir, name, program string, args ...string) (*server, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	s := &server{name: name, log: log, ended: make(chan struct{}), cmd: exec.Command(program, args...)}
	s.cmd.Dir, s.cmd.Stderr = dir, log
	return s, nil
}

// run starts the process and waits for it on one thread, since the kernel ends
// the process with the thread that started it.
func (s *server) run(core int) error {
	started := make(chan error)
	go func() { // waited for by stop
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		defer close(s.ended)
		err := startPinned(s.cmd, core)
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-s.ended
		_ = s.log.Close()
		return fmt.Errorf("%s %w: %w", s.name, errStart, err)
	}
	return nil
}

// settleTime is what a server gets before its idle figures are taken.
const settleTime = 500 * time.Millisecond

// ready waits until the server takes connections at a TCP address, or for
// settleTime where there is none.
func (s *server) ready(ctx context.Context, at string) error {
	for end := time.Now().Add(10 * time.Second); at != ""; {
		conn, err := net.DialTimeout("tcp", at, time.Second)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.ended:
			return fmt.Errorf("%s %w: it ended (%w): %s", s.name, errStart, s.err, s.complaint())
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s %w: it does not listen at %s: %s", s.name, errStart, at, s.complaint())
		}
	}
	if err := wait(ctx, settleTime); err != nil {
		return err
	}
	var err error
	s.sampler, err = bench.NewSampler(os.DirFS("/proc"), s.cmd.Process.Pid)
	if err != nil {
		err = fmt.Errorf("%s %w: %w: %s", s.name, errStart, err, s.complaint())
	}
	return err
}

// complaint is the first error that the server wrote, or else its last line.
func (s *server) complaint() string {
	text, _ := os.ReadFile(s.log.Name())
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range lines {
		if strings.Contains(strings.ToLower(line), "error") {
			return line
		}
	}
	return lines[len(lines)-1]
}

// stop ends the process, and kills it when it does not want to.
func (s *server) stop() {
	if s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	endGroup(s.cmd.Process.Pid)
	_ = s.log.Close()
}

// wait sleeps, but not longer than ctx.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// freePort is a port that nobody listens at on an address, now. It is below
// those that the kernel gives to connections: one that waits for a server might
// be given the very port that it connects to, and reach itself.
func freePort(addr netip.Addr) (port uint16, err error) {
	for range 100 {
		port = 5000 + uint16(rand.IntN(5000))
		var l net.Listener
		if l, err = net.Listen("tcp", netip.AddrPortFrom(addr, port).String()); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
