package media

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// TestPanic: a panic while a packet is handled ends that session and no other.
func TestPanic(t *testing.T) {
	r := startRelay(t, Config{})
	s, a, b := call(t, r, true, true)
	_, c, d := call(t, r, true, true)
	a.say("1")
	b.hears("1")
	s.worker.do(func() { s.state.legs[A].opened[0].context = nil })
	a.say("2")
	c.say("unharmed")
	d.hears("unharmed")
	for deadline := time.Now().Add(patience); !errors.Is(s.Set(A, a.remote()), ErrClosed); time.Sleep(time.Millisecond) { // the packet crosses the kernel
		if time.Now().After(deadline) {
			t.Fatal("the session survived")
		}
	}
	if got := s.Close().Side[A]; got.Received != 1 {
		t.Errorf("figures after the end: %+v", got)
	}
	if sum, sessions := r.figures(); sum.panics != 1 || sessions != 1 {
		t.Errorf("%d panics, %d sessions", sum.panics, sessions)
	}
}

// faulty is a backend that panics when it is told to.
type faulty struct {
	backend
	fault *atomic.Pointer[string] // the call that panics, once
}

func (f faulty) may(call string) {
	if at := f.fault.Load(); at != nil && *at == call {
		f.fault.Store(nil)
		panic("a fault in " + call)
	}
}

func (f faulty) receive(s socket, buf []byte) (int, netip.AddrPort, error) {
	f.may("receive")
	return f.backend.receive(s, buf)
}

func (f faulty) send(s socket, packet []byte, to netip.AddrPort) error {
	f.may("send")
	return f.backend.send(s, packet, to)
}

// TestPanicElsewhere: neither does a panic while a packet is received or sent, or while the sessions are looked at, end another one.
func TestPanicElsewhere(t *testing.T) {
	var fault atomic.Pointer[string]
	chosenBackend = func(dscp int) (backend, error) {
		b, err := newBackend(dscp)
		return faulty{b, &fault}, err
	}
	defer func() { chosenBackend = nil }()
	r := startRelay(t, Config{Ports: freeRange(t, 20)})
	_, c, d := call(t, r, true, true)
	ended := func(s *Session) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the packet crosses the kernel
			closed := false
			s.worker.do(func() { closed = s.state.closed })
			if closed {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the session survived")
			}
		}
		c.say("unharmed")
		d.hears("unharmed")
	}
	s, a, _ := call(t, r, true, true)
	sending := "send"
	fault.Store(&sending)
	a.say("1")
	ended(s)

	s, a, _ = call(t, r, true, true)
	receiving := "receive"
	fault.Store(&receiving)
	a.say("1")
	ended(s)

	s, a, b := call(t, r, true, true)
	s.Notify(func(Event) { panic("a fault of who is told") })
	s.Answered()
	a.say("1")
	b.hears("1")
	s.worker.do(s.worker.look)
	s.worker.do(s.worker.look)
	ended(s)
	if sum, sessions := r.figures(); sum.panics != 3 || sessions != 1 {
		t.Errorf("%d panics, %d sessions", sum.panics, sessions)
	}
}

// TestPanicOfWorker: a panic that belongs to no session is one of the process: it does not hang at the worker's lock.
func TestPanicOfWorker(t *testing.T) {
	w, s := handWorker(t)
	w.clock = func() time.Duration {
		w.clock = s.relay.now
		panic("a fault of the clock")
	}
	ended := make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		_ = w.run()
	}()
	from, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.local[A]))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	if _, err := from.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	select {
	case cause := <-ended:
		if cause == nil {
			t.Error("no panic")
		}
	case <-time.After(patience):
		t.Fatal("the worker hangs")
	}
}
