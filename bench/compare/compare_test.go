package compare

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func media() *Media {
	round := func(relay string, calls int, cpu Micros, lost uint64) MediaRound {
		return MediaRound{
			Relay: relay, Calls: calls, Took: time.Second, Packets: 1000, User: cpu / 4, System: cpu * 3 / 4,
			Idle: 1 << 20, RSS: 1<<20 + uint64(calls)<<11, P50: 40, P99: 900, Sent: 2000, Lost: lost, Changed: 1999, LatenessP99: 10,
		}
	}
	m := &Media{Command: "callseal-bench versus-media", Rounds: []MediaRound{
		round("callseal", 200, 9000, 0), round("rtpengine", 200, 20000, 0), round("floor", 200, 10000, 0), round("callseal", 50, 9500, 0),
		round("callseal", 200, 11000, 3), round("rtpengine", 200, 22000, 0), round("floor", 200, 12000, 0),
		round("callseal", 200, 10000, 0),
	}}
	m.Rounds[2].Same = 1
	m.Rounds[3].LatenessP99 = 20_000 // the only one of 50 calls
	m.Rounds = append(m.Rounds, round("callseal", 200, 90000, 900))
	m.Rounds[8].LatenessP99 = 20_000
	return m
}

func TestMediaSummary(t *testing.T) {
	m := media()
	m.Summarise()
	if len(m.Summary) != 4 || m.Summary[0].Calls != 50 {
		t.Fatalf("%d rows: %+v", len(m.Summary), m.Summary)
	}
	alone, callseal, floor := m.Summary[0], m.Summary[1], m.Summary[3]
	if !alone.Disturbed || callseal.Disturbed || alone.Rounds != 1 {
		t.Errorf("disturbed: %+v", m.Summary)
	}
	if alone.ToRtpengine != 0 || alone.ToFloor != 0 {
		t.Errorf("ratios without anything to compare with: %+v", alone)
	}
	if callseal.PerPacket != (Spread{Min: 9, Median: 10}) || callseal.Rounds != 3 || callseal.Core != 0.01 || callseal.RSSPerCall != 2 {
		t.Errorf("callseal: %+v", callseal)
	}
	if want := 10.0 / 21; callseal.ToRtpengine != want {
		t.Errorf("of rtpengine %v; want %v", callseal.ToRtpengine, want)
	}
	if want := 10.0 / 11; callseal.ToFloor != want {
		t.Errorf("of the floor %v; want %v", callseal.ToFloor, want)
	}
	if callseal.LossShare != 3.0/6000 || !callseal.Reencrypted || floor.Reencrypted {
		t.Errorf("callseal %+v, floor %+v", callseal, floor)
	}
}

func TestMediaTable(t *testing.T) {
	m := media()
	m.Summarise()
	var out bytes.Buffer
	if err := m.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2+4 {
		t.Fatalf("table has %d lines:\n%s", len(lines), out.String())
	}
	for i, line := range lines {
		if strings.Count(line, "|") != 16 {
			t.Errorf("line %d has not 15 columns: %s", i, line)
		}
	}
	for _, want := range []string{"9.0", "10.0", "0.48", "0.91", "900", "0.050 %", "2.0", "yes", "3 of 4", "45.000 %"} {
		if !strings.Contains(lines[3], " "+want+" ") {
			t.Errorf("no %s in %s", want, lines[3])
		}
	}
	out.Reset()
	if err := m.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Media
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || len(back.Rounds) != 9 || len(back.Summary) != 4 || back.Command != m.Command {
		t.Errorf("JSON does not come back: %v", err)
	}
}

func TestSIPSummary(t *testing.T) {
	s := &SIP{Rounds: []SIPRound{
		{Server: "callseal", Rate: 500, Calls: 100, User: 30000, System: 20000, P50: 700, P99: 9000, Capacity: 900, ServerCore: 0.5, BenchCore: 1},
		{Server: "kamailio", Rate: 500, Calls: 100, User: 40000, P50: 600, P99: 8000, Capacity: 1000, ServerCore: 1, BenchCore: 0.9, RSS: 3 << 20},
		{Server: "callseal", Rate: 500, Calls: 99, Failed: 1, User: 59400, P50: 900, P99: 11000, Capacity: 1100, ServerCore: 0.6, BenchCore: 1},
	}}
	s.Summarise()
	if len(s.Summary) != 2 {
		t.Fatalf("%+v", s.Summary)
	}
	c := s.Summary[0]
	if c.PerCall != (Spread{500, 550}) || c.ToKamailio != 550.0/400 || c.Failed != 1 || c.P99 != 10000 || c.Capacity != 1000 || !c.BenchBound {
		t.Errorf("callseal: %+v", c)
	}
	if k := s.Summary[1]; k.BenchBound || k.ToKamailio != 1 || k.RSS != 3 {
		t.Errorf("kamailio: %+v", k)
	}
	var out bytes.Buffer
	if err := s.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "> 1000") || !strings.Contains(text, "1.38") || strings.Count(text, "\n") != 4 {
		t.Errorf("table is\n%s", text)
	}
	out.Reset()
	if err := s.WriteJSON(&out); err != nil || !strings.Contains(out.String(), `"ToKamailio": 1.375`) {
		t.Errorf("JSON is %v\n%s", err, out.String())
	}
}

func TestNothingMeasured(t *testing.T) {
	var out bytes.Buffer
	m, s := &Media{}, &SIP{}
	m.Summarise()
	s.Summarise()
	if m.WriteTable(&out) != nil || s.WriteTable(&out) != nil || strings.Contains(out.String(), "NaN") {
		t.Errorf("empty tables are\n%s", out.String())
	}
	if (MediaRound{}).PerPacket() != 0 || (SIPRound{}).PerCall() != 0 {
		t.Error("a figure out of nothing")
	}
}
