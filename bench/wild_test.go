package bench

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Whenever either end of a wild call hangs up, both see it end clean.
func TestWildCalls(t *testing.T) {
	const ms = time.Millisecond
	for _, row := range []struct {
		name    string
		chaos   Chaos
		ring    time.Duration
		status  int  // at the caller
		answers bool // the call was up
	}{
		{"the caller gives up", Chaos{Quit: [2]time.Duration{50 * ms, -1}}, time.Second, 487, false},
		{"the caller gives up at once", Chaos{Quit: [2]time.Duration{0, -1}}, time.Second, 487, false},
		{"the answerer refuses early", Chaos{Quit: [2]time.Duration{-1, 50 * ms}}, time.Second, 480, false},
		{"a refusal", Chaos{Refuse: 603, Quit: [2]time.Duration{-1, -1}}, 20 * ms, 603, false},
		{"the caller hangs up", Chaos{Quit: [2]time.Duration{150 * ms, -1}}, 20 * ms, 200, true},
		{"the answerer hangs up", Chaos{Quit: [2]time.Duration{-1, 150 * ms}}, 20 * ms, 200, true},
		{"the answerer hangs up in the answer", Chaos{Quit: [2]time.Duration{-1, 20 * ms}}, 20 * ms, 0, false},
		{"both change all the time", Chaos{Quit: [2]time.Duration{600 * ms, -1}, Scripts: [2][]Step{
			{{20 * ms, Hold}, {20 * ms, Rekey}, {20 * ms, Mute}, {20 * ms, Resume}},
			{{20 * ms, Rekey}, {20 * ms, Hold}, {20 * ms, Resume}},
		}}, 0, 200, true},
	} {
		for _, proto := range []Proto{UDP, TLS} {
			t.Run(row.name+" over "+proto.String(), func(t *testing.T) {
				plan := Plan{ID: 1, Number: "77", Outcome: Wild, Ring: row.ring, Audio: time.Second, Wild: &row.chaos}
				ends, _ := oneCall(t, proto, plan)
				for _, end := range ends {
					if !end.OK() {
						t.Errorf("%v: got %v, status %d, error %v", end.Party, end.Got, end.Status, end.Err)
					}
				}
				if r := ends[Calling]; row.status != 0 && (r.Status != row.status || (r.Connect > 0) != row.answers) {
					t.Errorf("status %d, answered after %v", r.Status, r.Connect)
				}
				if r := ends[Calling]; len(row.chaos.Scripts[0]) > 0 && len(r.Changes) == 0 {
					t.Error("nothing was changed")
				}
			})
		}
	}
}

// A call whose BYE never comes is a fault.
func TestWildCallsWithoutBye(t *testing.T) {
	silent := &uas{ask: func(sip.RequestMethod) string { return "" }}
	caller, err := NewCaller(t.Context(), Config{}, registrar(t, silent.answer))
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	plan := Plan{ID: 1, Number: "77", Outcome: Wild, Wild: &Chaos{Quit: [2]time.Duration{-1, 0}, Wait: 100 * time.Millisecond}}
	if r := caller.Place(t.Context(), plan); !errors.Is(r.Err, ErrNoBye) {
		t.Errorf("error %v; want %v", r.Err, ErrNoBye)
	}
}

func TestGrave(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	e := newEndpoint(Config{})
	defer e.Close()
	l := &link{proto: TCP, stream: near, meter: &e.meter, lost: make(chan struct{})}
	cut, alive := &link{lost: make(chan struct{})}, &link{lost: make(chan struct{})}
	close(cut.lost)
	answers := bufio.NewReader(far)
	ask := func(g *grave, text string) string {
		m, err := parseMessage(e.parser, []byte(strings.ReplaceAll(text, "\n", "\r\n")+"\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		go g.post(e, incoming{message: m, link: l})
		line, err := answers.ReadString('\n')
		for rest := line; err == nil && strings.TrimSpace(rest) != ""; {
			rest, err = answers.ReadString('\n')
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	const head = "\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\nTo: <sip:b@b>;tag=2\nCall-ID: 1\nContent-Length: 0\nCSeq: "
	bye := func(seq string) string { return "BYE sip:b@b SIP/2.0" + head + seq + " BYE" }
	const ok, gone = "SIP/2.0 200 OK", "SIP/2.0 481 Call Does Not Exist"
	for _, row := range []struct {
		name  string
		grave *grave
		asked []string
		want  []string
		late  uint64
	}{
		{"the BYE that ended it, again", &grave{byes: map[uint32]bool{7: true}}, []string{bye("7"), bye("8")}, []string{ok, gone}, 1},
		{"one that crossed ours, and again", &grave{byes: map[uint32]bool{}, may: 1}, []string{bye("7"), bye("7"), bye("8")}, []string{ok, ok, gone}, 1},
		{"one whose answer was lost with its connection", &grave{byes: map[uint32]bool{7: true}, bye: cut}, []string{bye("8"), bye("9")}, []string{ok, gone}, 1},
		{"one over another connection", &grave{byes: map[uint32]bool{7: true}, bye: alive}, []string{bye("8")}, []string{gone}, 1},
		{"to a call that was refused", &grave{byes: map[uint32]bool{}}, []string{bye("7")}, []string{gone}, 1},
		{"the INVITE again", &grave{last: []byte("SIP/2.0 486 Busy Here\r\n\r\n"), answer: 1}, []string{"INVITE sip:b@b SIP/2.0" + head + "1 INVITE"}, []string{"SIP/2.0 486 Busy Here"}, 0},
		{"a new INVITE", &grave{last: []byte("-"), answer: 1}, []string{"INVITE sip:b@b SIP/2.0" + head + "2 INVITE"}, []string{gone}, 0},
		{"our INVITE's answer again", &grave{ack: []byte("ACK sip:b@b SIP/2.0\r\n\r\n")}, []string{"SIP/2.0 200 OK" + head + "1 INVITE"}, []string{"ACK sip:b@b SIP/2.0"}, 0},
		{"whether it lives", &grave{byes: map[uint32]bool{}}, []string{"OPTIONS sip:b@b SIP/2.0" + head + "9 OPTIONS"}, []string{gone}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := e.LateByes()
			for i, text := range row.asked {
				if got := ask(row.grave, text); got != row.want[i] {
					t.Errorf("%d: %s; want %s", i, got, row.want[i])
				}
			}
			if got := e.LateByes() - before; got != row.late {
				t.Errorf("%d late BYEs; want %d", got, row.late)
			}
		})
	}
}
