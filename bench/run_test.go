package bench

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/srtp/v2"
	"go.uber.org/goleak"

	"callseal/bench/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// identity is a CA and a certificate for loopback.
func identity(t *testing.T) (*Authority, *tls.Certificate) {
	t.Helper()
	ca, err := NewAuthority("bench test CA")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("bench.test", loopback.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return ca, cert
}

// direct runs plans from a caller to an answerer with nothing between them.
func direct(t *testing.T, proto Proto, suites []Suite, plans []Plan) Report {
	t.Helper()
	ca, cert := identity(t)
	ledger := NewLedger()
	answerer, err := NewAnswerer(Config{
		Proto: proto, Local: loopback, Suites: suites, Certificate: cert, Ledger: ledger,
	}, NewBook(plans).Find)
	if err != nil {
		t.Fatal(err)
	}
	defer answerer.Close()
	target := Target{Proto: proto, Host: "127.0.0.1", Port: answerer.Addr().Port()}
	caller, err := NewCaller(t.Context(), Config{
		Proto: proto, Local: loopback, Suites: suites, Roots: ca.Pool(), Ledger: ledger,
	}, target)
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	run := Run{Caller: caller, Answerer: answerer, Ledger: ledger, Plans: plans, Every: 5 * time.Millisecond}
	return run.Do(t.Context())
}

func TestDirect(t *testing.T) {
	suite80 := []Suite{DefaultSuite}
	for _, row := range []struct {
		name   string
		proto  Proto
		suites []Suite
		used   Suite
	}{
		{"tls and SRTP", TLS, suite80, DefaultSuite},
		{"tls and plain RTP", TLS, nil, 0},
		{"tcp and SRTP", TCP, suite80, DefaultSuite},
		{"udp and SRTP", UDP, suite80, DefaultSuite},
		{"udp and plain RTP", UDP, nil, 0},
		{"first of several suites", UDP, []Suite{srtp.ProtectionProfileAeadAes256Gcm, DefaultSuite}, srtp.ProtectionProfileAeadAes256Gcm},
		{"AES_256_CM_32", UDP, []Suite{srtp.ProtectionProfileAes256CmHmacSha1_32}, srtp.ProtectionProfileAes256CmHmacSha1_32},
	} {
		t.Run(row.name, func(t *testing.T) {
			const audio = 200 * time.Millisecond
			plans := Plans(6, Share{Busy: 1, Cancelled: 1}, 20*time.Millisecond, audio, "77")
			rep := direct(t, row.proto, row.suites, plans)
			for _, fault := range rep.Faults(Demands{}) {
				t.Error(fault)
			}
			if rep.Answered != 4 || rep.Busy != 1 || rep.Cancelled != 1 || rep.Failed != 0 {
				t.Errorf("answered, busy, cancelled, failed = %d, %d, %d, %d; want 4, 1, 1, 0",
					rep.Answered, rep.Busy, rep.Cancelled, rep.Failed)
			}
			want := uint64(4 * audio / stream.PacketTime)
			for party, leg := range rep.Legs {
				if leg.Media.Sent != want || leg.Media.Received != want || leg.Media.Suite != row.used {
					t.Errorf("%v: sent, received, suite = %d, %d, %v; want %d, %d, %v", Party(party),
						leg.Media.Sent, leg.Media.Received, leg.Media.Suite, want, want, row.used)
				}
				if leg.Latency.Count != int64(want) || leg.Latency.P50 <= 0 || leg.Latency.P99 > time.Second {
					t.Errorf("%v: latency %+v", Party(party), leg.Latency)
				}
				if leg.Stray != 0 {
					t.Errorf("%v: %d stray messages", Party(party), leg.Stray)
				}
			}
		})
	}
}

// Without a server between them both ends see the same bytes and keys: the
// bench must say so, or its praise is worth nothing.
func TestSealFaults(t *testing.T) {
	plans := Plans(2, Share{}, 0, 100*time.Millisecond, "77")
	for _, row := range []struct {
		name   string
		proto  Proto
		suites []Suite
		want   []string
	}{
		{"sealed but not re-encrypted", TLS, []Suite{DefaultSuite}, []string{"the same bytes on both legs", "keys were used twice"}},
		{"plain audio", TLS, nil, []string{"audio without SRTP", "packets could be read"}},
		{"tcp", TCP, []Suite{DefaultSuite}, []string{"SIP without TLS", "SIP could be read"}},
		{"udp", UDP, []Suite{DefaultSuite}, []string{"SIP without TLS", "SIP could be read"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			rep := direct(t, row.proto, row.suites, plans)
			faults := strings.Join(rep.Faults(Demands{Sealed: [2]bool{true, true}}), "\n")
			for _, want := range row.want {
				if !strings.Contains(faults, want) {
					t.Errorf("no fault with %q in:\n%s", want, faults)
				}
			}
			if row.proto == TLS && strings.Contains(faults, "SIP could be read") {
				t.Errorf("TLS was called readable:\n%s", faults)
			}
		})
	}
}

// The two ends disagree about SRTP.
func TestRefusedMedia(t *testing.T) {
	for _, row := range []struct {
		name             string
		caller, answerer []Suite
	}{
		{"SRTP offered to a plain answerer", []Suite{DefaultSuite}, nil},
		{"plain RTP offered to an SRTP answerer", nil, []Suite{DefaultSuite}},
		{"no suite in common", []Suite{DefaultSuite}, []Suite{srtp.ProtectionProfileAeadAes128Gcm}},
	} {
		t.Run(row.name, func(t *testing.T) {
			plans := Plans(1, Share{}, 0, time.Second, "77")
			answerer, err := NewAnswerer(Config{Proto: UDP, Local: loopback, Suites: row.answerer}, NewBook(plans).Find)
			if err != nil {
				t.Fatal(err)
			}
			defer answerer.Close()
			caller, err := NewCaller(t.Context(), Config{Proto: UDP, Local: loopback, Suites: row.caller},
				Target{Proto: UDP, Host: "127.0.0.1", Port: answerer.Addr().Port()})
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()
			r := caller.Place(t.Context(), plans[0])
			if r.Status != 488 || r.OK() {
				t.Errorf("status %d, err %v; want 488 and an error", r.Status, r.Err)
			}
		})
	}
}

// Ctrl-C ends calls as the protocol wants it, ringing and answered ones.
func TestInterrupt(t *testing.T) {
	for _, row := range []struct {
		name string
		plan Plan
	}{
		{"while it rings", Plan{ID: 1, Number: "1", Outcome: Answered, Ring: time.Hour}},
		{"while it talks", Plan{ID: 1, Number: "1", Outcome: Answered, Audio: time.Hour}},
	} {
		t.Run(row.name, func(t *testing.T) {
			answerer, err := NewAnswerer(Config{Proto: TCP, Local: loopback}, Book{"1": row.plan}.Find)
			if err != nil {
				t.Fatal(err)
			}
			defer answerer.Close()
			caller, err := NewCaller(t.Context(), Config{Proto: TCP}, Target{Proto: TCP, Host: "127.0.0.1", Port: answerer.Addr().Port()})
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			run := Run{Caller: caller, Answerer: answerer, Plans: []Plan{row.plan}}
			rep := run.Do(ctx)
			if rep.Failed != 1 || len(rep.Ends[Answering]) != 1 {
				t.Fatalf("failed %d, ended at the answerer %d; want 1, 1", rep.Failed, len(rep.Ends[Answering]))
			}
			faults := rep.Faults(Demands{})
			if len(faults) == 0 || !strings.Contains(faults[0], "stopped from outside") {
				t.Errorf("faults: %q", faults)
			}
		})
	}
}

// A caller that was given no local address names one that can be reached.
func TestNoLocalAddress(t *testing.T) {
	for _, proto := range []Proto{UDP, TCP} {
		t.Run(proto.String(), func(t *testing.T) {
			plans := Plans(1, Share{}, 0, 100*time.Millisecond, "77")
			answerer, err := NewAnswerer(Config{Proto: proto, Local: loopback}, NewBook(plans).Find)
			if err != nil {
				t.Fatal(err)
			}
			defer answerer.Close()
			caller, err := NewCaller(t.Context(), Config{Proto: proto}, Target{Proto: proto, Host: "127.0.0.1", Port: answerer.Addr().Port()})
			if err != nil {
				t.Fatal(err)
			}
			defer caller.Close()
			run := Run{Caller: caller, Answerer: answerer, Plans: plans}
			for _, fault := range run.Do(t.Context()).Faults(Demands{}) {
				t.Error(fault)
			}
			if caller.Local().Addr() != loopback.Addr() {
				t.Errorf("calls from %v", caller.Local())
			}
		})
	}
}

// All calls of a connection that dies fail with one reason, in one line.
func TestConnectionLost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() { // ends with its connection
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}()
	caller, err := NewCaller(t.Context(), Config{Proto: TCP}, Target{Proto: TCP, Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port)})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	run := Run{Caller: caller, Plans: Plans(3, Share{}, 0, 0, "77")}
	faults := run.Do(t.Context()).Faults(Demands{})
	if len(faults) != 1 || !strings.Contains(faults[0], "3 of 3 calls failed at the caller: connection lost") || strings.Contains(faults[0], "\n") {
		t.Errorf("faults %q", faults)
	}
}

// Close ends what is left, without leaking (TestMain).
func TestCloseWithCallsUp(t *testing.T) {
	plan := Plan{ID: 1, Number: "1", Outcome: Answered, Audio: time.Hour}
	invited := make(chan struct{})
	answerer, err := NewAnswerer(Config{Proto: UDP, Local: loopback}, func(string) (Plan, bool) {
		close(invited)
		return plan, true
	})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := NewCaller(t.Context(), Config{Proto: UDP, Local: loopback}, Target{Proto: UDP, Host: "127.0.0.1", Port: answerer.Addr().Port()})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan Result)
	go func() { ended <- caller.Place(context.Background(), plan) }()
	<-invited
	answerer.Close()
	caller.Close()
	if r := <-ended; r.OK() {
		t.Error("a call that was torn down counts as good")
	}
}
