package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"callseal/bench"
	"callseal/bench/show"
)

func TestDemo(t *testing.T) {
	for _, row := range []struct {
		name string
		cmd  demoCmd
		want []string
	}{
		{"sealed on both legs", demoCmd{Calls: 4, Duration: demoShortest}, []string{
			"4 calls in ", ": 4 answered",
			"The dialer's leg: SIP over TLS 1.3, SRTP AES_CM_128_HMAC_SHA1_80.",
			"The carrier's leg: SIP over TLS 1.3, SRTP AES_CM_128_HMAC_SHA1_80.",
			"SIP bytes readable on the wire: none (TLS on both legs)",
			"Audio packets readable on the wire: none",
			"16 SRTP keys, none used twice",
			"All 4 calls went as planned.",
			"/metrics",
		}},
		{"busy and cancelled, carrier in the clear", demoCmd{Calls: 7, Duration: demoShortest, PlainCarrier: true}, []string{
			"5 answered, 1 busy, 1 cancelled, 0 failed",
			"The carrier's leg: SIP over udp in the clear, plain RTP.",
			"on the carrier's leg.",
			"10 SRTP keys, none used twice",
			"All 7 calls went as planned.",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			err := row.cmd.run(t.Context(), newScreen(&out))
			if err != nil {
				t.Errorf("error %v", err)
			}
			for _, want := range row.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q", want)
				}
			}
			if row.cmd.PlainCarrier && strings.Contains(out.String(), "readable on the wire: none") {
				t.Error("a plain carrier was called sealed")
			}
			if strings.ContainsRune(out.String(), '\x1b') {
				t.Error("control sequences where there is no terminal")
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

// The demo must fail, and say why, when what it shows does not work.
func TestDemoFails(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(*testing.T, *cast)
		want  []string
	}{
		{"carrier shows another name", func(t *testing.T, parts *cast) {
			t.Helper()
			cert, err := parts.ca.Issue("else.demo", parts.carrier.Local.Addr())
			if err != nil {
				t.Fatal(err)
			}
			parts.carrier.Certificate = cert
		}, []string{"2 of 2 calls failed at the dialer: unexpected response: 503", "callseal says: ", "telco"}},
		{"carrier has no SRTP", func(_ *testing.T, parts *cast) { parts.carrier.Suites = nil },
			[]string{"2 of 2 calls failed at the dialer", "2 of 2 calls failed at the carrier: media description not usable: SRTP offered to a plain endpoint"}},
		{"nothing is known of the keys", func(_ *testing.T, parts *cast) { parts.ledger = bench.NewLedger() },
			[]string{"0 SRTP keys were seen where 2 answered calls have 8"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			parts, err := newCast(false)
			if err != nil {
				t.Fatal(err)
			}
			row.spoil(t, parts)
			c := demoCmd{Calls: 2, Duration: demoShortest}
			d, err := c.stage(t.Context(), parts)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err = c.perform(newScreen(&out), d)
			if !errors.Is(err, errDemoFailed) {
				t.Errorf("error %v", err)
			}
			for _, want := range append(row.want, "Not as planned") {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q", want)
				}
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

func TestDemoFlags(t *testing.T) {
	for _, row := range []struct {
		name string
		cmd  demoCmd
	}{
		{"no calls", demoCmd{Calls: 0, Duration: demoShortest}},
		{"too many calls", demoCmd{Calls: demoMostCalls + 1, Duration: demoShortest}},
		{"too short", demoCmd{Calls: 1, Duration: demoShortest - 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := row.cmd.run(t.Context(), newScreen(&bytes.Buffer{})); !errors.Is(err, errDemoFlags) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Ctrl-C ends the demo early, says so, and fails.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	err := demoCmd{Calls: 2, Duration: time.Hour}.run(ctx, newScreen(&out))
	if !errors.Is(err, errDemoFailed) || !strings.Contains(out.String(), "Not as planned") {
		t.Errorf("error %v, output:\n%s", err, &out)
	}
}

func TestScreen(t *testing.T) {
	now := bench.Snapshot{Names: [2]string{"dialer", "carrier"}, Up: 3, Failed: 1, Elapsed: 5 * time.Second}
	for _, row := range []struct {
		name            string
		terminal, color bool
		want, not       string
	}{
		{"plain lines", false, false, "up 3  answered 0", "\x1b"},
		{"terminal", true, true, "\x1b[31mfailed 1\x1b[0m", "\x1b[31mno"},
		{"terminal without color", true, false, "[====================                    ]", "\x1b[3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			s := newScreen(&out)
			if row.terminal {
				s = &screen{show.NewTerminal(&out, func() (int, int) { return 100, 40 }, row.color), 10 * time.Second}
			}
			s.show(now)
			s.show(now)
			if !strings.Contains(out.String(), row.want) || strings.Contains(out.String(), row.not) {
				t.Errorf("got %q", out.String())
			}
			for _, line := range strings.Split(out.String(), "\n") {
				if visible := len(line) - 9*strings.Count(line, "\x1b"); visible > 100 {
					t.Errorf("line of %d columns: %q", visible, line)
				}
			}
		})
	}
}
