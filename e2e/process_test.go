package e2e

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a peer may take for one step on a loaded machine.
const patience = 20 * time.Second

// process is one program that a test started. It is ended by its own pid when the test ends, and its output belongs to a failing test.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string        // file with its standard output and error
	done chan struct{} // closed by the waiter once the program has ended
}

// start runs a program with extra environment. Its name is that of its log file.
func start(t *testing.T, name string, env []string, command string, args ...string) *process {
	t.Helper()
	return startWithInput(t, nil, name, env, command, args...)
}

// startWithInput is start for a program that reads its standard input from a file, nil for none.
func startWithInput(t *testing.T, input *os.File, name string, env []string, command string, args ...string) *process {
	t.Helper()
	path := filepath.Join(t.ArtifactDir(), name+".log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, cmd: exec.Command(command, args...), log: path, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if input != nil {
		p.cmd.Stdin = input
	}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s does not start: %v", name, err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // how it ended shows in its log and by what the test sees
		_ = log.Close()
	}()
	t.Cleanup(func() {
		p.end(t, syscall.SIGTERM)
		attach(t, path)
	})
	return p
}

// end asks the program to end and waits; a program that does not is killed.
func (p *process) end(t *testing.T, signal os.Signal) {
	t.Helper()
	if p.ended() {
		return
	}
	_ = p.cmd.Process.Signal(signal) // it may have ended just now
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		t.Logf("%s does not end, killed", p.name)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// ended tells whether the program has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// output is what the program has written so far.
func (p *process) output(t *testing.T) string {
	t.Helper()
	return read(t, p.log)
}

// says waits until the program has written the text, and fails when it ends or lets the test wait.
func (p *process) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, p.name+" says "+text, func() bool {
		if strings.Contains(p.output(t), text) {
			return true
		}
		if p.ended() {
			t.Fatalf("%s ended before it said %q", p.name, text)
		}
		return false
	})
}

// bootLine is what Asterisk writes while it starts, or when a test looks at it.
var bootLine = regexp.MustCompile(`(loader|pbx_app|pbx_functions|config_options|manager|codec_builtin|format_cache|translate|file|netsock2|cdr|cel|features_config|udptl|ccss|dns_core)\.c|Remote UNIX|Registered .* codec|Created cached|Message handler|rtp_engine.c|Sorcery registered`)

// attach puts the end of a log into the output of a failed test.
func attach(t *testing.T, path string) {
	t.Helper()
	if !t.Failed() {
		return
	}
	const most = 16 << 10
	var kept strings.Builder
	for line := range strings.Lines(read(t, path)) {
		if !bootLine.MatchString(line) {
			kept.WriteString(line)
		}
	}
	text := kept.String()
	t.Logf("end of %s:\n%s", filepath.Base(path), text[max(0, len(text)-most):])
}

// eventually polls until the condition holds, and fails the test when it does not in time.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, patience, what, holds)
}

// within is eventually with a deadline of the test's own.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(25 * time.Millisecond) { // other processes tell us nothing; they are asked
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// read is a file's text, empty when it is not there yet.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(bytes.ToValidUTF8(text, []byte("?")))
}

// write makes a file that only a test reads.
func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

var addresses atomic.Uint32

// address is a loopback address that no other party of this run has; another run at the same time has others.
func address() netip.Addr {
	n := addresses.Add(1)
	return netip.AddrFrom4([4]byte{127, byte(16 + os.Getpid()%200), byte(n / 250), byte(1 + n%250)})
}

// freePort is a TCP port of 127.0.0.1 that was free a moment ago.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}
