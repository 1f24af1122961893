package e2e

import (
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Whatever a carrier answers, VICIdial reads the same as if there were no callseal: DIALSTATUS, HANGUPCAUSE and the reason, of which it
// makes the status of a lead. Each code is dialled through callseal and, on the same Asterisk, directly.

// fidelity is a row of the table of codes, causes and lead statuses: what an Asterisk makes of a code.
type fidelity struct {
	code   int
	status string
	cause  int
}

var fidelityAt16 = []fidelity{
	{486, "BUSY", 17}, {600, "BUSY", 17}, {603, "BUSY", 21}, {480, "BUSY", 19},
	{404, "CHANUNAVAIL", 1}, {604, "CHANUNAVAIL", 1}, {485, "CHANUNAVAIL", 1}, {484, "CHANUNAVAIL", 28},
	{403, "CHANUNAVAIL", 21}, {408, "CHANUNAVAIL", 18}, {410, "CONGESTION", 22},
	{500, "CONGESTION", 38}, {502, "CONGESTION", 27}, {503, "CONGESTION", 34}, {504, "CONGESTION", 102},
	{488, "CHANUNAVAIL", 58}, {606, "CHANUNAVAIL", 58}, {415, "CHANUNAVAIL", 127}, {607, "CHANUNAVAIL", 127}, {608, "CHANUNAVAIL", 127},
	{487, "NOANSWER", 16},
}

var fidelityAt22 = []fidelity{
	{486, "BUSY", 17}, {600, "BUSY", 17}, {603, "CHANUNAVAIL", 21}, {480, "NOANSWER", 19},
	{404, "CHANUNAVAIL", 1}, {604, "CHANUNAVAIL", 1}, {485, "CHANUNAVAIL", 1}, {484, "CHANUNAVAIL", 28},
	{403, "CHANUNAVAIL", 21}, {408, "CHANUNAVAIL", 18}, {410, "CHANUNAVAIL", 22},
	{500, "CHANUNAVAIL", 38}, {502, "CHANUNAVAIL", 27}, {503, "CONGESTION", 34}, {504, "CHANUNAVAIL", 102},
	{488, "CHANUNAVAIL", 58}, {606, "CHANUNAVAIL", 58}, {415, "CHANUNAVAIL", 127}, {607, "CHANUNAVAIL", 127}, {608, "CHANUNAVAIL", 127},
	{487, "CHANUNAVAIL", 127},
}

func TestFidelityAtAsterisk16(t *testing.T) { testFidelity(t, 16, fidelityAt16) }

func TestFidelityAtAsterisk22(t *testing.T) { testFidelity(t, 22, fidelityAt22) }

// carrierHouse is a dialer, callseal, and a carrier that sipp will play.
type carrierHouse struct {
	dialer  *asterisk
	sbc     *sbc
	carrier netip.AddrPort
}

// newCarrierHouse starts the dialer, which knows a direct way to the carrier, and callseal.
func newCarrierHouse(t *testing.T, version int) carrierHouse {
	t.Helper()
	needPeers(t)
	ca, sbcAddr := newAuthority(t, "ca"), address()
	h := carrierHouse{carrier: netip.AddrPortFrom(address(), 5060)}
	h.dialer = startAsterisk(t, "dialer1", address(), ca, asteriskConfig{
		Version: version, Remote: dialersOf(sbcAddr), Sealed: true, Tone: dialerTone, Ring: 4, Direct: h.carrier,
	})
	h.sbc = startSBC(t, sbcAddr, ca, sbcConfig{
		trunks: []trunk{
			{role: "dialer", name: "dialer1", remote: h.dialer.sip(), calls: true},
			{role: "carrier", name: "telco", remote: h.carrier, plain: true, calls: true},
		},
		routes: []string{"dialer telco"},
	})
	return h
}

// carrierOfCodes is a sipp that refuses so many calls with the codes dialled.
func (h carrierHouse) carrierOfCodes(t *testing.T, calls int, codes []int) *process {
	t.Helper()
	file := filepath.Join(t.ArtifactDir(), "codes.xml")
	render(t, sippScenario("codes.xml"), file, codes)
	return startSipp(t, file, h.carrier, "-t", "u1", "-m", strconv.Itoa(calls))
}

// unsafe is what VICIdial cannot store of a phrase.
var unsafe = regexp.MustCompile(`[^A-Za-z0-9 ._]+`)

func testFidelity(t *testing.T, version int, rows []fidelity) {
	h := newCarrierHouse(t, version)
	var codes []int
	for _, row := range rows {
		codes = append(codes, row.code)
	}
	t.Run("every code", func(t *testing.T) {
		sipp := h.carrierOfCodes(t, 2*len(rows), codes)
		for _, row := range rows {
			h.dialer.dial(t, "agent", strconv.Itoa(row.code))
			h.dialer.dial(t, "agent", "78"+strconv.Itoa(row.code))
		}
		for _, row := range rows {
			number := strconv.Itoa(row.code)
			status, cause := h.dialer.result(t, number)
			if status != row.status || cause != row.cause {
				t.Errorf("%s: DIALSTATUS %s, HANGUPCAUSE %d, want %s %d", number, status, cause, row.status, row.cause)
			}
			if s, c := h.dialer.result(t, "78"+number); s != status || c != cause {
				t.Errorf("%s: %s %d through callseal, %s %d without", number, status, cause, s, c)
			}
			direct, got := h.dialer.reason(t, "78"+number), h.dialer.reason(t, number)
			t.Logf("%s: %s %d %q, without callseal %q", number, status, cause, got, direct)
			if want := strings.TrimSpace(unsafe.ReplaceAllString(direct, " ")); got != strings.Join(strings.Fields(want), " ") {
				t.Errorf("%s: the reason is %q, and without callseal %q", number, got, direct)
			}
			if !strings.Contains(got, number) {
				t.Errorf("%s: the reason %q does not name it", number, got)
			}
		}
		sipp.wantSuccess(t)
	})
	t.Run("Q.850 behind another reason", func(t *testing.T) {
		numbers := []string{"50342", "48018", "4043", "50041", "4861"}
		sipp := h.carrierOfCodes(t, 2*len(numbers), codes)
		for _, number := range numbers {
			h.dialer.dial(t, "agent", number)
			h.dialer.dial(t, "agent", "78"+number+"*") // the carrier itself puts it first
		}
		for _, number := range numbers {
			status, cause := h.dialer.result(t, number)
			if s, c := h.dialer.result(t, "78"+number+`\*`); s != status || c != cause {
				t.Errorf("%s: %s %d through callseal, %s %d without", number, status, cause, s, c)
			}
			t.Logf("%s: %s %d", number, status, cause)
		}
		sipp.wantSuccess(t)
		if _, cause := h.dialer.result(t, "50342"); version == 16 && cause != 42 { // PJSIP takes no cause of a response
			t.Errorf("HANGUPCAUSE %d, want 42", cause)
		}
		h.dialer.logs(t, "Reason: Q.850;cause=42;text=\"why\", SIP;")
	})
	t.Run("redirection", func(t *testing.T) {
		sipp := h.carrierOfCodes(t, 1, []int{302})
		h.dialer.dial(t, "agent", "302")
		if status, cause := h.dialer.result(t, "302"); status != "CONGESTION" || cause != 34 {
			t.Errorf("DIALSTATUS %s, HANGUPCAUSE %d, want CONGESTION 34", status, cause)
		}
		if got := h.dialer.reason(t, "302"); got != "SIP 503 telco redirects and that is not followed" {
			t.Errorf("the reason is %q", got)
		}
		sipp.wantSuccess(t)
	})
	t.Run("ends", func(t *testing.T) { testEnds(t, h) })
	h.sbc.idle(t)
	for label, want := range map[string]float64{`call_type="auto"`: float64(len(rows) + 9), `carrier="telco"`: float64(len(rows) + 9), `outcome="answered"`: 2, `origin="local"`: 0} {
		if n := h.sbc.metric(t, "callseal_calls_total", label); n != want {
			t.Errorf("callseal_calls_total with %s is %v, want %v", label, n, want)
		}
	}
}

// testEnds: whoever ends a call, and when, each side is told what it would be told without callseal.
func testEnds(t *testing.T, h carrierHouse) {
	sipp := startSipp(t, sippScenario("ends.xml"), h.carrier, "-t", "u1", "-m", "6")
	for _, number := range []string{"7001", "7003", "787001", "787003"} {
		h.dialer.dial(t, "agent", number)
	}
	for number, want := range map[string]string{"7001": "ANSWER", "7003": "NOANSWER"} {
		status, cause := h.dialer.result(t, number)
		if s, c := h.dialer.result(t, "78"+number); status != want || s != want || c != cause {
			t.Errorf("%s: %s %d through callseal, %s %d without, want %s", number, status, cause, s, c, want)
		}
		t.Logf("%s: %s %d", number, status, cause)
	}
	for _, number := range []string{"7002", "787002"} {
		h.dialer.dial(t, "agent", number)
	}
	eventually(t, "both calls are up", func() bool { return strings.Count(read(t, sippMessages(t)), "\nACK sip:") == 6 })
	h.dialer.hangup()
	sipp.wantSuccess(t)
	reasons := map[string][]string{} // of what the carrier got, by method
	for message := range strings.SplitSeq(strings.ReplaceAll(read(t, sippMessages(t)), "\r", ""), "\n---") {
		if m := ending.FindStringSubmatch(message); m != nil && strings.Contains(message, "message received") {
			reasons[m[1]] = append(reasons[m[1]], strings.Join(reasonLine.FindStringSubmatch(message), ""))
		}
	}
	for _, method := range []string{"BYE", "CANCEL"} {
		if got := reasons[method]; len(got) != 2 || got[0] != got[1] {
			t.Errorf("the reasons in a %s through callseal and without are not the same: %q", method, got)
		}
	}
	t.Log(reasons)
}

// ending finds what ends a call, and reasonLine why.
var ending, reasonLine = regexp.MustCompile(`\n(BYE|CANCEL) sip:`), regexp.MustCompile(`\nReason: .*`)
