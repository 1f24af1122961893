package transport

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

var plainPhrase = regexp.MustCompile(`^[A-Za-z0-9 ._]{1,50}$`)

func TestFailurePhrases(t *testing.T) {
	for _, trunk := range []string{"dialer1", "", "a-trunk/with:odd\"characters\r\n", strings.Repeat("long", 30)} {
		for _, stage := range Stages() {
			for _, cause := range append(Causes(), causes+7) {
				f := &Failure{Trunk: trunk, Stage: stage, Cause: cause, Err: errors.New("x")}
				if p := f.Phrase(); !plainPhrase.MatchString(p) {
					t.Errorf("phrase %q", p)
				}
				if a := f.Advice(); strings.Contains(a, "%") || !strings.HasSuffix(a, ".") {
					t.Errorf("advice %q", a)
				}
			}
		}
	}
	f := &Failure{Trunk: "dialer1", Stage: StageVerify, Cause: CauseNameMismatch}
	if got := f.Phrase(); got != "TLS dialer1 certificate name mismatch" {
		t.Errorf("got %q", got)
	}
	if got := f.Advice(); !strings.Contains(got, "dialer1") || !strings.Contains(got, "tls.server_name") {
		t.Errorf("got %q", got)
	}
}

// TestEnumsAreNamed: every value has a name of its own, and a value beyond them is shown as a number.
func TestEnumsAreNamed(t *testing.T) {
	seen := map[string]bool{}
	once := func(kind, name string) {
		t.Helper()
		if name == "" || strings.Contains(name, "(") || seen[kind+name] {
			t.Errorf("%s: name %q is missing or used twice", kind, name)
		}
		seen[kind+name] = true
	}
	for c := range refusals {
		once("refusal", c.String())
	}
	for _, c := range Causes() {
		once("cause", c.String())
	}
	for _, s := range Stages() {
		once("stage", s.String())
	}
	for _, r := range Roles() {
		once("role", r.String())
		if got, err := ParseRole(r.String()); err != nil || got != r {
			t.Errorf("%s is read as %v, %v", r, got, err)
		}
	}
	for _, p := range Protos() {
		once("proto", p.String())
		if got, err := ParseProto(p.Via()); err != nil || got != p {
			t.Errorf("%s is read as %v, %v", p, got, err)
		}
	}
	if _, err := ParseRole("x"); !errors.Is(err, ErrRole) {
		t.Error(err)
	}
	if _, err := ParseProto("sctp"); !errors.Is(err, ErrProto) {
		t.Error(err)
	}
	for _, s := range []string{Role(9).String(), Proto(9).String(), Stage(99).String(), Cause(99).String(), refusals.String()} {
		if !strings.Contains(s, "(") {
			t.Errorf("a value beyond the last is called %q", s)
		}
	}
}

func TestMetricsLint(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	f := &Flow{role: Phone, proto: TLS}
	m.message(f, In)
	m.opened(f)
	m.ended(f, closedByRemote)
	m.turnAway(addressCap)
	m.handshake(Phone, 0x0304)
	m.tlsFailure(Phone, &Failure{Stage: StageHandshake})
	m.trunkFailure(Carrier, &Failure{Trunk: "t", Stage: StageConnect})
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestNewRefuses(t *testing.T) {
	b := start(t, Config{Listeners: []Listener{at(TCP, Dialer, "tcp", nil)}})
	taken := at(TCP, Phone, "mine", nil)
	taken.Address = b.Addr("tcp")
	advertised := at(UDP, Phone, "mine", nil)
	advertised.Advertise = "not a host"
	tests := []struct {
		name      string
		listeners []Listener
		want      string
	}{
		{"an address in use", []Listener{taken}, "listener mine"},
		{"two of one name", []Listener{at(TCP, Phone, "mine", nil), at(UDP, Phone, "mine", nil)}, "mine"},
		{"TLS without certificate", []Listener{at(TLS, Phone, "mine", nil)}, "mine"},
		{"no role", []Listener{at(TCP, 0, "mine", nil)}, "role"},
		{"no protocol", []Listener{at(0, Phone, "mine", nil)}, "protocol"},
		{"no address", []Listener{{Name: "mine", Role: Phone, Proto: TCP}}, "address"},
		{"advertised nonsense", []Listener{advertised}, "not a host"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(Config{Listeners: tt.listeners, Handler: &recorder{}, Log: quiet})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := New(Config{}); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
}
