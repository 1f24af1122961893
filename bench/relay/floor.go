package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
)

// Floor drives the bench's own relay, which runs as another process so that its
// cost can be told from the bench's. It answers one line of text per line:
//
//	open CALL A-ADDRESS B-ADDRESS  ->  ok A-END B-END
//	shut CALL                      ->  ok
type Floor struct {
	mu   sync.Mutex // one question at a time
	in   io.WriteCloser
	out  *bufio.Reader
	stop func() error
}

// FloorEnvironment is what the process of ServeFloor wants in its environment:
// Go's scheduler would send its thread a signal every 10 ms.
const FloorEnvironment = "GODEBUG=asyncpreemptoff=1"

// NewFloor talks to ServeFloor over its standard input and output. stop waits
// for its end after in is closed.
func NewFloor(in io.WriteCloser, out io.Reader, stop func() error) *Floor {
	return &Floor{in: in, out: bufio.NewReader(out), stop: stop}
}

// Open binds one socket per leg. The floor changes no byte: each remote gets
// what the other one protected.
func (f *Floor) Open(_ context.Context, call uint64, remotes [2]End) (ends [2]End, err error) {
	line, err := f.ask(fmt.Sprintf("open %d %s %s\n", call, remotes[0].Addr, remotes[1].Addr))
	if err != nil {
		return ends, err
	}
	var word string
	var addr [2]string
	if _, err := fmt.Sscan(line, &word, &addr[0], &addr[1]); err != nil || word != "ok" {
		return ends, fmt.Errorf("%w: %.200q", ErrRefused, line)
	}
	for i := range ends {
		ends[i] = End{Suite: remotes[1-i].Suite, Key: remotes[1-i].Key}
		if ends[i].Addr, err = netip.ParseAddrPort(addr[i]); err != nil {
			return [2]End{}, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
	}
	return ends, nil
}

// Shut closes the sockets of a call.
func (f *Floor) Shut(_ context.Context, call uint64) error {
	line, err := f.ask(fmt.Sprintf("shut %d\n", call))
	if err == nil && line != "ok\n" {
		err = fmt.Errorf("%w: %.200q", ErrRefused, line)
	}
	return err
}

func (f *Floor) ask(question string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := io.WriteString(f.in, question); err != nil {
		return "", fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	line, err := f.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return line, nil
}

// Close ends the process.
func (f *Floor) Close() error {
	err := f.in.Close()
	if stopped := f.stop(); stopped != nil {
		return stopped
	}
	return err
}
