// Package forge attacks the RTP ports of a server under test: it sends packets
// that a server must not let through, from sockets that have no call. What of
// them arrives at the ends of the calls, the judge of their audio finds.
package forge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is a way to forge a packet.
type Kind uint8

// The kinds.
const (
	Foreign  Kind = iota // a source (SSRC) that the call does not have, and random bytes
	Tampered             // a packet of the call with one bit of its tag changed
	Altered              // a later packet of the call, by its sequence, with an old tag
	Replayed             // a packet of the call once more
	kinds
)

// String is the kind's name in reports.
func (k Kind) String() string {
	switch k {
	case Foreign:
		return "foreign source"
	case Tampered:
		return "bad tag"
	case Altered:
		return "false sequence"
	case Replayed:
		return "replay"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Counts is what a Forger did, and what came of it at its own sockets.
type Counts struct {
	Sent   [kinds]uint64 // by Kind
	Unsent uint64        // this machine's kernel did not take them
	Stolen uint64        // packets that the server sent to the Forger
}

// Total is how many were sent.
func (c Counts) Total() (sum uint64) {
	for _, n := range c.Sent {
		sum += n
	}
	return sum
}

const (
	sockets   = 4 // each its own source port
	tick      = time.Millisecond
	ahead     = 100 // packets: a server that believes it takes the true ones for old
	maxPacket = 2048

	// A call's first packets may come before the server is ready: sent again,
	// they are no replays of what it had.
	young = 500 * time.Millisecond
	// A target without new packets is none: its call may be over.
	fresh = 200 * time.Millisecond
)

// Forger attacks what it is shown. Close ends it.
type Forger struct {
	conns   []*net.UDPConn // closed by Close
	working sync.WaitGroup
	stolen  atomic.Uint64
	unsent  atomic.Uint64
	sent    [kinds]atomic.Uint64

	mu      sync.Mutex
	targets []*target
	by      map[netip.AddrPort]*target
}

// target is a port of the server, and the last packet that a call sent there.
type target struct {
	addr        netip.AddrPort
	first, last time.Time
	packet      []byte
}

// New binds the sockets that the attack comes from.
func New(addr netip.Addr) (*Forger, error) {
	f := &Forger{by: make(map[netip.AddrPort]*target)}
	for range sockets {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("attacker's socket: %w", err)
		}
		f.conns = append(f.conns, conn)
		f.working.Go(func() { f.receive(conn) }) // ends with Close
	}
	return f, nil
}

// Close ends the attack.
func (f *Forger) Close() {
	for _, conn := range f.conns {
		_ = conn.Close()
	}
	f.working.Wait()
}

// receive counts what nobody should have sent here.
func (f *Forger) receive(conn *net.UDPConn) {
	buf := make([]byte, maxPacket)
	for {
		_, _, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			f.stolen.Add(1)
		}
	}
}

// Saw shows the Forger a packet that a call sends, as somebody on the path
// sees it. It is a stream.Sinks' Tap.
func (f *Forger) Saw(to netip.AddrPort, packet []byte) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.by[to]
	if t == nil {
		t = &target{addr: to, first: now}
		f.by[to] = t
		f.targets = append(f.targets, t)
	}
	t.last = now
	t.packet = append(t.packet[:0], packet...)
}

// Run attacks with rate packets a second, all kinds and targets in turn, until
// ctx ends.
func (f *Forger) Run(ctx context.Context, rate int) {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	began, sent := time.Now(), 0
	packet := make([]byte, 0, maxPacket)
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		for due := int(time.Since(began).Seconds() * float64(rate)); sent < due; sent++ {
			to, original := f.next(packet)
			if len(original) == 0 {
				continue
			}
			kind := Kind(sent) % kinds
			f.send(kind, to, forged(kind, original), sent)
		}
	}
}

// next copies the last packet of any target; none when that one is too young.
func (f *Forger) next(into []byte) (netip.AddrPort, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.targets) > 0 {
		at := rand.IntN(len(f.targets))
		t := f.targets[at]
		if now := time.Now(); now.Sub(t.first) < young {
			return netip.AddrPort{}, nil
		} else if now.Sub(t.last) < fresh {
			return t.addr, append(into[:0], t.packet...)
		}
		f.targets[at] = f.targets[len(f.targets)-1]
		f.targets = f.targets[:len(f.targets)-1]
		delete(f.by, t.addr)
	}
	return netip.AddrPort{}, nil
}

// forged makes a packet of that kind of an original one, in place.
func forged(kind Kind, p []byte) []byte {
	const header = 12 // RFC 3550, section 5.1, without CSRC
	if len(p) <= header {
		return p
	}
	switch kind {
	case Foreign:
		binary.BigEndian.PutUint32(p[8:], rand.Uint32())
		for i := header; i < len(p); i++ {
			p[i] = byte(rand.Uint32())
		}
	case Tampered:
		p[len(p)-1] ^= 1
	case Altered:
		binary.BigEndian.PutUint16(p[2:], binary.BigEndian.Uint16(p[2:])+ahead)
	case Replayed, kinds:
	}
	return p
}

func (f *Forger) send(kind Kind, to netip.AddrPort, packet []byte, turn int) {
	if _, err := f.conns[turn/int(kinds)%len(f.conns)].WriteToUDPAddrPort(packet, to); err != nil {
		f.unsent.Add(1)
		return
	}
	f.sent[kind].Add(1)
}

// Counts are those so far.
func (f *Forger) Counts() (c Counts) {
	for i := range f.sent {
		c.Sent[i] = f.sent[i].Load()
	}
	c.Unsent, c.Stolen = f.unsent.Load(), f.stolen.Load()
	return c
}
