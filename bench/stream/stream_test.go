package stream

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/srtp/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// list is a Recorder that keeps everything.
type list struct {
	mu sync.Mutex
	ds []time.Duration
}

func (l *list) RecordAll(ds []time.Duration) {
	l.mu.Lock()
	l.ds = append(l.ds, ds...)
	l.mu.Unlock()
}

// at is the quantile q, 0 to 1.
func (l *list) at(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.ds)
	if len(l.ds) == 0 {
		return 0
	}
	return l.ds[int(q*float64(len(l.ds)-1))]
}

// sealing is the same for one direction of all tests' calls.
func sealing(t testing.TB, party uint8) *srtp.Context {
	t.Helper()
	c, err := srtp.CreateContext(bytes.Repeat([]byte{party + 1}, 16), bytes.Repeat([]byte{party + 2}, 14),
		srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.SRTPNoReplayProtection())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openPair opens the two ends of a call that send to each other.
func openPair(t testing.TB, e *Engine, a *Account, cfg Config) (pair [2]*Stream) {
	t.Helper()
	var ports [2]*Port
	for i := range ports {
		var err error
		if ports[i], err = e.Bind(loopback); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range ports {
		cfg := cfg
		cfg.Party, cfg.Remote, cfg.Account = uint8(i), ports[1-i].Local(), a
		cfg.Protect, cfg.Unprotect = sealing(t, uint8(i)), sealing(t, uint8(1-i))
		var err error
		if pair[i], err = p.Open(cfg); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}

// silent drops all durations.
var silent = Sinks{Latency: &list{}, Lateness: &list{}, Jitter: &list{}, Clip: &list{}}

// What the other end goes on with stays good until it uses another key, however many it was offered meanwhile.
func TestRekey(t *testing.T) {
	s := &Stream{worker: &worker{}, cfg: Config{Unprotect: sealing(t, 10)}}
	comes := func(key uint8, want bool) {
		t.Helper()
		wire, err := sealing(t, key).EncryptRTP(nil, []byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, key, 42}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.unseal(wire); (err == nil) != want {
			t.Errorf("a packet under key %d: %v", key, err)
		}
	}
	s.Rekey(nil, sealing(t, 20))
	comes(10, true)              // nothing had come under it before
	s.Rekey(nil, sealing(t, 30)) // the answer to the offer of 20 was lost
	comes(10, true)
	comes(20, false)
	comes(30, true)
	s.Rekey(nil, sealing(t, 40))
	comes(30, true)
	comes(10, false)
	comes(40, true)
}

func TestStamp(t *testing.T) {
	want := stamp{call: 1 << 60, from: 1, seq: 12345, sent: Clock()}
	payload := make([]byte, PayloadSize)
	want.put(payload)
	if got, ok := readStamp(payload); !ok || got != want {
		t.Fatalf("read %+v, %v; want %+v", got, ok, want)
	}
	for i := range payload {
		payload[i] ^= 1
		if _, ok := readStamp(payload); ok {
			t.Errorf("byte %d altered unseen", i)
		}
		payload[i] ^= 1
	}
}

// packet is an RTP packet of the second party, to be sealed or not.
func packet(st stamp, ssrc byte, fill *[PayloadSize]byte) []byte {
	b := append([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, ssrc}, fill[:]...)
	st.put(b[12:])
	return b
}

func sealed(t *testing.T, plain []byte) []byte {
	t.Helper()
	out, err := sealing(t, 1).EncryptRTP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The judge is given packets as a bad server would deliver them.
func TestJudge(t *testing.T) {
	st := stamp{call: 42, from: 1, sent: Clock()}
	of := func(edit func(*stamp)) []byte {
		st := st
		edit(&st)
		return sealed(t, packet(st, 1, &patternFill))
	}
	good := of(func(*stamp) {})
	altered := bytes.Clone(good)
	altered[40] ^= 1
	plain := packet(st, 1, &patternFill)
	broken := packet(st, 1, &patternFill)
	broken[12+atFill] ^= 1
	later := st
	later.seq = 1
	server, stranger := netip.MustParseAddrPort("127.0.0.1:9"), netip.MustParseAddrPort("127.0.0.1:10")
	for _, row := range []struct {
		name    string
		packets [][]byte
		from    netip.AddrPort
		tone    bool
		want    Counts
	}{
		{"good", [][]byte{good}, server, false, Counts{Received: 1}},
		{"twice", [][]byte{good, good}, server, false, Counts{Received: 1, Duplicated: 1}},
		{"altered", [][]byte{altered}, server, false, Counts{Unauthentic: 1}},
		{"altered before it was sealed", [][]byte{sealed(t, broken)}, server, false, Counts{Unauthentic: 1}},
		{"in the clear", [][]byte{plain}, server, false, Counts{Unauthentic: 1, Readable: 1}},
		{"of another call", [][]byte{of(func(s *stamp) { s.call = 43 })}, server, false, Counts{Foreign: 1}},
		{"our own, reflected", [][]byte{of(func(s *stamp) { s.from = 0 })}, server, false, Counts{Foreign: 1}},
		{"of another source", [][]byte{good, sealed(t, packet(later, 2, &patternFill))}, server, false, Counts{Received: 1, Foreign: 1}},
		{"too short a payload", [][]byte{sealed(t, plain[:100])}, server, false, Counts{Unauthentic: 1}},
		{"runt", [][]byte{{0x80}}, server, false, Counts{Unauthentic: 1}},
		{"good, from another port", [][]byte{good}, stranger, false, Counts{Received: 1}},
		{"altered, from another port", [][]byte{altered}, stranger, false, Counts{Strange: 1}},
		{"in the clear, from another port", [][]byte{plain}, stranger, false, Counts{Strange: 1, Readable: 1}},
		{"no tone", [][]byte{good}, server, true, Counts{Received: 1, Tones: 1, WrongTones: 1}},
		{"the tone", [][]byte{sealed(t, packet(st, 1, &toneFill[1]))}, server, true, Counts{Received: 1, Tones: 1}},
		{"our own tone", [][]byte{sealed(t, packet(st, 1, &toneFill[0]))}, server, true, Counts{Received: 1, Tones: 1, WrongTones: 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := New(1)
			defer e.Close()
			port, err := e.Bind(loopback)
			if err != nil {
				t.Fatal(err)
			}
			s, err := port.Open(Config{Call: 42, Remote: server, Unprotect: sealing(t, 1), Tone: row.tone, Account: e.Account(silent)})
			if err != nil {
				t.Fatal(err)
			}
			s.worker.mu.Lock()
			for _, p := range row.packets {
				s.judge(p, addressOf(row.from), Clock())
			}
			s.worker.mu.Unlock()
			got := s.Close()
			got.FirstPacket = 0
			if got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
	t.Run("any source", func(t *testing.T) {
		e := New(1)
		defer e.Close()
		port, err := e.Bind(loopback)
		if err != nil {
			t.Fatal(err)
		}
		s, err := port.Open(Config{Call: 42, Remote: server, Unprotect: sealing(t, 1), AnySource: true, Account: e.Account(silent)})
		if err != nil {
			t.Fatal(err)
		}
		s.worker.mu.Lock()
		s.judge(good, addressOf(server), Clock())
		s.judge(sealed(t, packet(later, 2, &patternFill)), addressOf(server), Clock())
		s.worker.mu.Unlock()
		if got := s.Close(); got.Received != 2 || got.Foreign != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

// The tone is what a decoder of G.711 hears, and silence is none.
func TestTone(t *testing.T) {
	silence := bytes.Repeat([]byte{0xff}, PayloadSize)
	for party := range uint8(2) {
		if !isTone(toneFill[party][:], party) {
			t.Errorf("party %d: its tone is not heard", party)
		}
		if isTone(toneFill[1-party][:], party) || isTone(patternFill[:], party) || isTone(silence, party) {
			t.Errorf("party %d: a tone is heard where there is none", party)
		}
	}
	for i := range 256 {
		if back := muLaw(int(linear[i])); linear[back] != linear[i] {
			t.Errorf("%#x decodes to %v, which encodes as %#x", i, linear[i], back)
		}
	}
}

// Both ends of a call that send to each other get all there is, also at a
// faster pace and over rollovers of the sequence.
func TestPace(t *testing.T) {
	for _, row := range []struct {
		name     string
		every    time.Duration
		packets  uint64
		sequence uint16
		tone     bool
	}{
		{"20 ms", 0, 10, 0, false},
		{"10 ms", 10 * time.Millisecond, 20, 0, false},
		{"rollover at 1 ms", time.Millisecond, 200, 65500, false},
		{"tone", time.Millisecond, 50, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := New(1)
			defer e.Close()
			latency, lateness, jitter, clip := &list{}, &list{}, &list{}, &list{}
			a := e.Account(Sinks{Latency: latency, Lateness: lateness, Jitter: jitter, Clip: clip})
			began := time.Now()
			pair := openPair(t, e, a, Config{Call: 1, Packets: row.packets, Every: row.every, Sequence: row.sequence, Tone: row.tone})
			pair[0].Start()
			pair[1].Start()
			await(t, func() bool { c, _ := a.Counts(); return c.Sent == 2*row.packets })
			every := row.every
			if every == 0 {
				every = PacketTime
			}
			if took, least := time.Since(began), every*time.Duration(row.packets-1); took < least {
				t.Errorf("took %v, the pace wants %v", took, least)
			}
			got := pair[0].Close().Plus(pair[1].Close())
			want := Counts{Sent: 2 * row.packets, Received: 2 * row.packets, FirstPacket: got.FirstPacket}
			if row.tone {
				want.Tones = 2
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if sum, open := a.Counts(); sum != got || open != 0 {
				t.Errorf("the account has %+v of %d streams", sum, open)
			}
			if n := []int{len(latency.ds), len(lateness.ds), len(jitter.ds), len(clip.ds)}; n[0] != int(got.Received) ||
				n[1] != int(got.Sent) || n[2] != 2 || n[3] != 2 {
				t.Errorf("recorded %v durations", n)
			}
		})
	}
}

// A call is settled when the last packet of both ends has arrived, also where one
// end began to talk later.
func TestSettled(t *testing.T) {
	e := New(1)
	defer e.Close()
	pair := openPair(t, e, e.Account(silent), Config{Call: 1, Packets: 5, Every: time.Millisecond})
	if !pair[0].Settled() {
		t.Error("without trails nothing is known to wait for")
	}
	var trails [2]Trail
	for i, s := range pair {
		s.cfg.Own, s.cfg.Other = &trails[i], &trails[1-i]
	}
	pair[0].Start()
	await(t, func() bool { return trails[0].settled() })
	if pair[0].Settled() || pair[1].Settled() {
		t.Error("settled before the other end has talked")
	}
	pair[1].Start()
	await(t, func() bool { return pair[0].Settled() && pair[1].Settled() })
	for _, s := range pair {
		if c := s.Close(); c.Lost+c.Clipped != 0 || c.Received != 5 {
			t.Errorf("%+v", c)
		}
	}
}

// A closed engine takes nothing more, and its streams can still be closed.
func TestClosedEngine(t *testing.T) {
	e := New(1)
	a := e.Account(silent)
	pair := openPair(t, e, a, Config{Call: 1, Packets: 1000})
	pair[0].Start()
	port, err := e.Bind(loopback)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	if _, err := e.Bind(loopback); !errors.Is(err, ErrClosed) {
		t.Errorf("bind: %v", err)
	}
	if _, err := port.Open(Config{Account: a}); !errors.Is(err, ErrClosed) {
		t.Errorf("open: %v", err)
	}
	port.Close()
	pair[0].Close()
	pair[1].Close()
}

// await polls, for real sockets have no other way to tell.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("waited 10 s in vain")
		}
		time.Sleep(time.Millisecond) // the engine runs on the real clock
	}
}
