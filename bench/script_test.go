package bench

import (
	"errors"
	"sync"
	"testing"
	"time"

	"callseal/bench/stream"
)

// watched keeps what a Watcher is told.
type watched struct {
	mu              sync.Mutex
	rang, connected int
	ended           []Result
}

func (w *watched) Rang(Plan, time.Duration)      { w.mu.Lock(); w.rang++; w.mu.Unlock() }
func (w *watched) Connected(Plan, time.Duration) { w.mu.Lock(); w.connected++; w.mu.Unlock() }
func (w *watched) Ended(r Result)                { w.mu.Lock(); w.ended = append(w.ended, r); w.mu.Unlock() }

// oneCall is what both ends saw of one call without a server between them.
func oneCall(t *testing.T, proto Proto, plan Plan) (ends [2]Result, w *watched) {
	t.Helper()
	ca, cert := identity(t)
	w = &watched{}
	suites := []Suite{DefaultSuite}
	answerer, err := NewAnswerer(Config{Proto: proto, Local: loopback, Suites: suites, Certificate: cert},
		Book{plan.Number: plan}.Find)
	if err != nil {
		t.Fatal(err)
	}
	defer answerer.Close()
	target := Target{Proto: proto, Host: "127.0.0.1", Port: answerer.Addr().Port()}
	caller, err := NewCaller(t.Context(), Config{
		Proto: proto, Local: loopback, Suites: suites, Roots: ca.Pool(), Watch: w,
	}, target)
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	run := Run{Caller: caller, Answerer: answerer, Plans: []Plan{plan}}
	rep := run.Do(t.Context())
	if len(rep.Ends[Calling]) != 1 || len(rep.Ends[Answering]) != 1 || len(w.ended) != 1 {
		t.Fatalf("%d, %d, %d results; want 1 each", len(rep.Ends[Calling]), len(rep.Ends[Answering]), len(w.ended))
	}
	return [2]Result{rep.Ends[Calling][0], rep.Ends[Answering][0]}, w
}

func TestOutcomes(t *testing.T) {
	const audio = 200 * time.Millisecond
	full := uint64(audio / stream.PacketTime)
	for _, row := range []struct {
		name             string
		plan             Plan
		status           int
		rang, connected  int
		caller, answerer uint64 // packets received, at least
	}{
		{"answered", Plan{Outcome: Answered, Audio: audio}, 200, 1, 1, full, full},
		{"early audio", Plan{Outcome: Answered, Early: true, Ring: audio, Audio: audio}, 200, 1, 1, 2 * full, full},
		{"early audio, then refused", Plan{Outcome: Refused, Status: 480, Early: true, Ring: audio}, 480, 1, 0, full - 1, 0},
		{"refused", Plan{Outcome: Refused, Status: 603}, 603, 1, 0, 0, 0},
		{"refused in a way without a name", Plan{Outcome: Refused, Status: 499}, 499, 1, 0, 0, 0},
		{"busy", Plan{Outcome: Busy}, 486, 1, 0, 0, 0},
		{"cancelled", Plan{Outcome: Cancelled, Ring: 20 * time.Millisecond}, 487, 1, 0, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.plan.ID, row.plan.Number, row.plan.From = 1, "77", "alice"
			ends, w := oneCall(t, UDP, row.plan)
			for _, end := range ends {
				if !end.OK() || end.Status != row.status {
					t.Errorf("%v: got %v, status %d, error %v", end.Party, end.Got, end.Status, end.Err)
				}
			}
			if w.rang != row.rang || w.connected != row.connected {
				t.Errorf("rang, connected = %d, %d; want %d, %d", w.rang, w.connected, row.rang, row.connected)
			}
			if a, b := ends[Calling].Media.Received, ends[Answering].Media.Received; a < row.caller || b < row.answerer {
				t.Errorf("received %d, %d; want %d, %d", a, b, row.caller, row.answerer)
			}
			for _, end := range ends {
				if m := end.Media; m.Lost+m.Unauthentic+m.Foreign > 0 {
					t.Errorf("%v: %+v", end.Party, m)
				}
			}
		})
	}
}

// Holding, refreshing and new keys lose nothing, and the silence of a held
// answerer is no loss either.
func TestScript(t *testing.T) {
	const beat = 150 * time.Millisecond
	for _, proto := range []Proto{UDP, TLS} {
		t.Run(proto.String(), func(t *testing.T) {
			plan := Plan{
				ID: 1, Number: "77", Outcome: Answered, Audio: 9 * beat,
				Script: []Step{{beat, Refresh}, {beat, Rekey}, {beat, Hold}, {beat, Resume}, {beat, Rekey}, {beat, Hold}},
			}
			ends, _ := oneCall(t, proto, plan)
			for _, end := range ends {
				if !end.OK() {
					t.Errorf("%v: got %v, error %v", end.Party, end.Got, end.Err)
				}
				if m := end.Media; m.Lost+m.Unauthentic+m.Foreign+m.Duplicated > 0 || m.Received == 0 {
					t.Errorf("%v: %+v", end.Party, m)
				}
			}
			if n := len(ends[Calling].Changes); n != len(plan.Script) {
				t.Fatalf("%d changes; want %d", n, len(plan.Script))
			}
			for i, c := range ends[Calling].Changes {
				if c.Status != 200 || c.Move != plan.Script[i].Move || c.Took <= 0 {
					t.Errorf("change %d: %+v", i, c)
				}
			}
			all := uint64(plan.Audio / stream.PacketTime)
			held := uint64(2 * beat / stream.PacketTime) // at least: nothing makes up for the second time
			if a, b := ends[Calling].Media.Received, ends[Answering].Media.Received; b != all || a > all-held {
				t.Errorf("received %d, %d; want at most %d, and %d", a, b, all-held, all)
			}
		})
	}
}

// Without a server the answerer never hears of the caller's end: the bench
// must say so, as it would of a server that forgets the other leg.
func TestDropWithoutBye(t *testing.T) {
	plan := Plan{ID: 1, Number: "77", Outcome: Dropped, Audio: 200 * time.Millisecond}
	ends, _ := oneCall(t, TLS, plan)
	if !ends[Calling].OK() {
		t.Errorf("caller: got %v, error %v", ends[Calling].Got, ends[Calling].Err)
	}
	if ends[Answering].OK() {
		t.Errorf("answerer: got %v without BYE", ends[Answering].Got)
	}
}

func TestDropOverUDP(t *testing.T) {
	plan := Plan{ID: 1, Number: "77", Outcome: Dropped, Audio: 10 * time.Millisecond}
	answerer, err := NewAnswerer(Config{Proto: UDP, Local: loopback}, Book{"77": plan}.Find)
	if err != nil {
		t.Fatal(err)
	}
	defer answerer.Close()
	caller, err := NewCaller(t.Context(), Config{Proto: UDP, Local: loopback},
		Target{Proto: UDP, Host: "127.0.0.1", Port: answerer.Addr().Port()})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	if r := caller.Place(t.Context(), plan); !errors.Is(r.Err, ErrTarget) {
		t.Errorf("error %v; want %v", r.Err, ErrTarget)
	}
}
