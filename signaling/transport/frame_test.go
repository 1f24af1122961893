package transport

import (
	"bytes"
	"strings"
	"testing"
)

func newFramer() framer {
	l := Limits{}.withDefaults()
	return framer{maxHeader: l.MaxHeader, maxMessage: l.MaxMessage}
}

// frames feeds a stream in pieces of one size and collects what comes out.
func frames(stream string, size int) (messages []*message, pings int, f framer) {
	f = newFramer()
	for b := []byte(stream); len(b) > 0; {
		n := min(size, len(b))
		f.write(b[:n])
		b = b[n:]
		for m := f.next(); m != nil; m = f.next() {
			messages = append(messages, m)
			if m.fault != nil && framingLost(m.fault.cause) {
				return messages, pings + f.takePings(), f
			}
		}
		pings += f.takePings()
	}
	return messages, pings, f
}

func TestFrame(t *testing.T) {
	const ok = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
	tests := []struct {
		name   string
		stream string
		bodies []string // of the messages in order
		pings  int
		lost   refusal // of the last message, with it the stream ends; 0 is notSIP, so see ends
		ends   bool
	}{
		{name: "one", stream: ok, bodies: []string{""}},
		{name: "pipelined", stream: ok + ok + ok, bodies: []string{"", "", ""}},
		{name: "body", stream: "INFO sip:a SIP/2.0\r\nContent-Length: 5\r\n\r\nhello" + ok, bodies: []string{"hello", ""}},
		{name: "body with an empty line", stream: "INFO sip:a SIP/2.0\r\nl: 7\r\n\r\na\r\n\r\nbc" + ok, bodies: []string{"a\r\n\r\nbc", ""}},
		{name: "bare LF", stream: "INFO sip:a SIP/2.0\nl: 2\n\nab" + ok, bodies: []string{"ab", ""}},
		{name: "length folded and spaced", stream: "INFO sip:a SIP/2.0\r\nContent-Length \t:\r\n  2 \r\n\r\nab", bodies: []string{"ab"}},
		{name: "leading zeros", stream: "INFO sip:a SIP/2.0\r\nl: 0002\r\n\r\nab", bodies: []string{"ab"}},
		{name: "line that begins blank is no end", stream: "INFO sip:a SIP/2.0\r\nX: a\r\n \r\nl: 0\r\n\r\n", bodies: []string{""}},
		{name: "ping", stream: "\r\n\r\n", pings: 1},
		{name: "two pings at once", stream: "\r\n\r\n\r\n\r\n", pings: 2},
		{name: "ping between messages", stream: ok + "\r\n\r\n" + ok, bodies: []string{"", ""}, pings: 1},
		{name: "pong is no ping", stream: "\r\n" + ok + "\r\n" + ok, bodies: []string{"", ""}},
		{name: "incomplete header", stream: ok + "INFO sip:a SIP/2.0\r\nl: 0\r\n", bodies: []string{""}},
		{name: "incomplete body", stream: "INFO sip:a SIP/2.0\r\nl: 3\r\n\r\nab"},
		{name: "bad header keeps the frame", stream: "INFO sip:a SIP/2.0\r\nno colon\r\nl: 1\r\n\r\na" + ok, bodies: []string{"a", ""}},
		{name: "no length", stream: "INFO sip:a SIP/2.0\r\n\r\n", bodies: []string{""}, ends: true, lost: badContentLength},
		{name: "two lengths", stream: "INFO sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\na", bodies: []string{""}, ends: true, lost: badContentLength},
		{name: "negative length", stream: "INFO sip:a SIP/2.0\r\nl: -1\r\n\r\na", bodies: []string{""}, ends: true, lost: badContentLength},
		{name: "length in words", stream: "INFO sip:a SIP/2.0\r\nl: one\r\n\r\na", bodies: []string{""}, ends: true, lost: badContentLength},
		{name: "length too big", stream: "INFO sip:a SIP/2.0\r\nl: 2000000000\r\n\r\na", bodies: []string{""}, ends: true, lost: messageTooLarge},
		{name: "length overflows", stream: "INFO sip:a SIP/2.0\r\nl: 18446744073709551617\r\n\r\na", bodies: []string{""}, ends: true, lost: badContentLength},
		{name: "endless header", stream: "INFO sip:a SIP/2.0\r\nX: " + strings.Repeat("x", 40000), bodies: []string{""}, ends: true, lost: headerTooLarge},
		{name: "HTTP", stream: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", bodies: []string{""}, ends: true, lost: notSIP},
		{name: "noise", stream: "\x00\x01\x02", bodies: []string{""}, ends: true, lost: notSIP},
		{name: "TLS hello", stream: "\x16\x03\x01\x02\x00\x01", bodies: []string{""}, ends: true, lost: tlsOnPlainPort},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 2, 3, 7, 1 << 20} {
				messages, pings, _ := frames(tt.stream, size)
				if len(messages) != len(tt.bodies) || pings != tt.pings {
					t.Fatalf("pieces of %d: %d messages and %d pings, want %d and %d", size, len(messages), pings, len(tt.bodies), tt.pings)
				}
				for i, m := range messages {
					lost := m.fault != nil && framingLost(m.fault.cause)
					if last := i == len(messages)-1; lost != (tt.ends && last) || lost && m.fault.cause != tt.lost {
						t.Errorf("pieces of %d: message %d: fault %v", size, i, m.fault)
					}
					if string(m.body) != tt.bodies[i] {
						t.Errorf("pieces of %d: body %q, want %q", size, m.body, tt.bodies[i])
					}
				}
			}
		})
	}
}

func TestFrameRaw(t *testing.T) {
	const a, b = "INFO sip:a SIP/2.0\r\nl: 2\r\n\r\nab", "INFO sip:b SIP/2.0\r\nl: 0\r\n\r\n"
	messages, _, f := frames("\r\n"+a+b, 5)
	if len(messages) != 2 || string(messages[0].raw) != a || string(messages[1].raw) != b {
		t.Fatalf("raw octets changed in one of %d messages", len(messages))
	}
	if f.partial() {
		t.Error("something is left over")
	}
}

func TestDatagram(t *testing.T) {
	tests := []struct {
		name, payload string
		nothing       bool
		body          string
		fault         refusal
		faulty        bool
	}{
		{name: "no length", payload: "INFO sip:a SIP/2.0\r\n\r\nabc", body: "abc"},
		{name: "octets beyond the length", payload: "INFO sip:a SIP/2.0\r\nl: 2\r\n\r\nabc", body: "ab"},
		{name: "body too short", payload: "INFO sip:a SIP/2.0\r\nl: 4\r\n\r\nabc", body: "abc", faulty: true, fault: shortBody},
		{name: "bad length", payload: "INFO sip:a SIP/2.0\r\nl: x\r\n\r\nabc", body: "abc", faulty: true, fault: badContentLength},
		{name: "leading line ends", payload: "\r\n\r\nINFO sip:a SIP/2.0\r\n\r\n"},
		{name: "no empty line", payload: "INFO sip:a SIP/2.0\r\nX: y"},
		{name: "keep-alive", payload: "\r\n\r\n", nothing: true},
		{name: "keep-alive of zeros", payload: "\x00\x00\x00\x00", nothing: true},
		{name: "empty", payload: "", nothing: true},
		{name: "STUN", payload: "\x00\x01\x00\x00\x21\x12\xa4\x42", faulty: true, fault: notSIP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := datagram([]byte(tt.payload))
			if (m == nil) != tt.nothing {
				t.Fatalf("got %v", m)
			}
			if m == nil {
				return
			}
			if (m.fault != nil) != tt.faulty || tt.faulty && m.fault.cause != tt.fault {
				t.Errorf("fault %v", m.fault)
			}
			if string(m.body) != tt.body {
				t.Errorf("body %q, want %q", m.body, tt.body)
			}
		})
	}
}

// FuzzFrame: however a stream is cut, the same messages come out, and no more octets than went in.
func FuzzFrame(f *testing.F) {
	for _, row := range tortures(f) {
		f.Add(row.raw, 7)
	}
	f.Add([]byte("\r\n\r\nOPTIONS sip:a SIP/2.0\r\nl: 1\r\n\r\nx\r\n\r\n"), 1)
	check := newChecker()
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		whole, pings, _ := frames(string(stream), len(stream)+1)
		cut, cutPings, _ := frames(string(stream), 1+abs(size)%64)
		if len(whole) != len(cut) || pings != cutPings {
			t.Fatalf("%d messages and %d pings at once, %d and %d in pieces", len(whole), pings, len(cut), cutPings)
		}
		total := 0
		for i, m := range whole {
			total += len(m.raw)
			if !bytes.Equal(m.body, cut[i].body) || m.start != cut[i].start {
				t.Fatalf("message %d differs", i)
			}
			checkBoth(t, check, m)
		}
		if total > len(stream) {
			t.Fatalf("%d octets made of %d", total, len(stream))
		}
	})
}

// FuzzDatagram: what passes the check can be read again after it was written, and a refusal is itself a valid message.
func FuzzDatagram(f *testing.F) {
	for _, row := range tortures(f) {
		f.Add(row.raw)
	}
	check := newChecker()
	f.Fuzz(func(t *testing.T, payload []byte) {
		if m := datagram(payload); m != nil {
			checkBoth(t, check, m)
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}
