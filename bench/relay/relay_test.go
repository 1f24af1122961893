package relay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/pion/srtp/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBencode(t *testing.T) {
	for _, row := range []struct {
		name string
		in   any
		want string
	}{
		{"string", "offer", "5:offer"},
		{"empty string", "", "0:"},
		{"number", int64(-7), "i-7e"},
		{"list", []any{"a", int64(1)}, "l1:ai1ee"},
		{"sorted keys", dict{"sdp": "x", "command": "ping"}, "d7:command4:ping3:sdp1:xe"},
		{"nested", dict{"a": []any{dict{}}}, "d1:aldeee"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := string(bencode(row.in)); got != row.want {
				t.Errorf("bencode is %q; want %q", got, row.want)
			}
			back, err := bdecode([]byte(row.want))
			if err != nil || string(bencode(back)) != row.want {
				t.Errorf("bdecode gives %v, %v", back, err)
			}
		})
	}
}

func TestBdecodeRefuses(t *testing.T) {
	for _, bad := range []string{
		"", "i1", "ie", "i1x", "5:ab", "-1:a", "l", "l1:a", "d1:ae", "di1e1:ae", "1:ab", "x", "99999999999:a",
		strings.Repeat("l", 100) + strings.Repeat("e", 100),
	} {
		if v, err := bdecode([]byte(bad)); !errors.Is(err, ErrAnswer) {
			t.Errorf("bdecode(%.20q) is %v, %v; want ErrAnswer", bad, v, err)
		}
	}
}

func FuzzBdecode(f *testing.F) {
	f.Add([]byte("d6:result2:ok3:sdp4:v=0\ne"))
	f.Add([]byte("li1e1:ade"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := bdecode(data)
		if err != nil {
			return
		}
		again, err := bdecode(bencode(v))
		if err != nil || !bytes.Equal(bencode(again), bencode(v)) {
			t.Fatalf("%q does not survive: %v", data, err)
		}
	})
}

var (
	endA = End{netip.MustParseAddrPort("127.0.0.1:4000"), srtp.ProtectionProfileAes128CmHmacSha1_80, bytes.Repeat([]byte{1}, 30)}
	endB = End{netip.MustParseAddrPort("127.0.0.1:4002"), srtp.ProtectionProfileAes128CmHmacSha1_32, bytes.Repeat([]byte{2}, 30)}
)

func TestDescriptions(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(text string) string
		suite  srtp.ProtectionProfile
		secure bool
		want   string // in the error; "" when there shall be none
	}{
		{"as written", func(s string) string { return s }, endA.Suite, true, ""},
		{"lifetime", func(s string) string { return strings.Replace(s, "\r\na=sendrecv", "|2^31\r\na=sendrecv", 1) }, endA.Suite, true, ""},
		{"another suite", func(s string) string { return s }, endB.Suite, true, "no AES_CM_128_HMAC_SHA1_32"},
		{"plain is enough", func(s string) string { return s }, endB.Suite, false, ""},
		{"rejected", func(s string) string { return strings.Replace(s, "audio 4000", "audio 0", 1) }, endA.Suite, true, "no audio"},
		{"bad port", func(s string) string { return strings.Replace(s, "audio 4000", "audio x", 1) }, endA.Suite, true, "bad port"},
		{"bad address", func(s string) string { return strings.ReplaceAll(s, "127.0.0.1", "here") }, endA.Suite, true, "bad address"},
		{"bad key", func(s string) string { return strings.Replace(s, "inline:", "inline:!", 1) }, endA.Suite, true, "bad key"},
		{"no key", func(s string) string { return strings.Replace(s, "inline:", "", 1) }, endA.Suite, true, "bad key"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, tag, err := readEnd(row.change(describe(7, 3, endA)), row.suite, row.secure)
			if row.want != "" {
				if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "AQEB") {
					t.Fatalf("error is %v; want %q and no key", err, row.want)
				}
				return
			}
			if err != nil || got.Addr != endA.Addr {
				t.Fatalf("%v, %v", got, err)
			}
			if row.suite == endA.Suite && (!sameKey(got.Key, endA.Key) || tag != 3) {
				t.Errorf("key or tag %d got lost", tag)
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	for _, text := range []string{fmt.Sprint(endA), fmt.Sprintf("%v %+v %#v %x", endA.Key, endA, endA.Key, endA.Key)} {
		if strings.Contains(text, "1 1") || strings.Contains(text, "0101") {
			t.Errorf("a key shows in %q", text)
		}
	}
}

// daemon answers ng requests as a test wants.
func daemon(t *testing.T, answer func(request dict) []dict) string {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			cookie, body, _ := bytes.Cut(buf[:n], []byte(" "))
			value, err := bdecode(body)
			if err != nil {
				t.Errorf("request: %v", err)
				continue
			}
			for _, a := range answer(value.(dict)) {
				_, _ = conn.WriteToUDPAddrPort(append(append([]byte{}, append(cookie, ' ')...), bencode(a)...), from)
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); ended.Wait() })
	return conn.LocalAddr().String()
}

func TestNG(t *testing.T) {
	relayA := End{netip.MustParseAddrPort("127.0.0.9:30000"), endA.Suite, bytes.Repeat([]byte{3}, 30)}
	relayB := End{netip.MustParseAddrPort("127.0.0.9:30002"), endB.Suite, bytes.Repeat([]byte{4}, 30)}
	ok := func(e End) []dict { return []dict{{"result": "ok", "sdp": describe(1, 2, e)}} }
	for _, row := range []struct {
		name          string
		offer, answer func(request dict) []dict
		want          error
		text          string
	}{
		{"re-encrypted", func(dict) []dict { return ok(relayB) }, func(dict) []dict { return ok(relayA) }, nil, ""},
		{"repeated answers", func(dict) []dict { return append(ok(relayB), ok(relayB)...) }, func(dict) []dict { return ok(relayA) }, nil, ""},
		{"first request lost", lost(ok(relayB)), func(dict) []dict { return ok(relayA) }, nil, ""},
		{"key handed through", func(dict) []dict { return ok(relayB) },
			func(dict) []dict { return ok(End{relayA.Addr, endA.Suite, endB.Key}) }, ErrAnswer, "handed through"},
		{"refused", func(dict) []dict { return []dict{{"result": "error", "error-reason": "no ports"}} }, nil, ErrRefused, "no ports"},
		{"answered plain", func(dict) []dict { return ok(End{Addr: relayB.Addr}) }, nil, ErrAnswer, "no AES_CM_128_HMAC_SHA1_32"},
	} {
		t.Run(row.name, func(t *testing.T) {
			address := daemon(t, func(request dict) []dict {
				switch request["command"] {
				case "ping":
					return []dict{{"result": "pong"}}
				case "offer":
					return row.offer(request)
				case "answer":
					return row.answer(request)
				}
				return []dict{{"result": "ok"}}
			})
			ng, err := NewNG(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ng.Close() }()
			ends, err := ng.Open(t.Context(), 1, [2]End{endA, endB})
			if !errors.Is(err, row.want) || err != nil && !strings.Contains(err.Error(), row.text) {
				t.Fatalf("error is %v; want %v with %q", err, row.want, row.text)
			}
			if row.want == nil && (ends[0].Addr != relayA.Addr || ends[1].Addr != relayB.Addr || !sameKey(ends[0].Key, relayA.Key)) {
				t.Errorf("ends are %v", ends)
			}
		})
	}
}

// lost lets the first request go unanswered.
func lost(answer []dict) func(dict) []dict {
	count := 0
	return func(dict) []dict {
		if count++; count == 1 {
			return nil
		}
		return answer
	}
}

func TestNGWantsTwoSuites(t *testing.T) {
	ng, err := NewNG(t.Context(), daemon(t, func(dict) []dict { return []dict{{"result": "pong"}} }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ng.Close() }()
	if _, err := ng.Open(t.Context(), 1, [2]End{endA, endA}); !errors.Is(err, ErrTarget) {
		t.Errorf("error is %v; want ErrTarget", err)
	}
}

// The floor hands every byte through, from remote to remote, and from no one else.
func TestFloor(t *testing.T) {
	in, commands := io.Pipe()
	answers, out := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- ServeFloor(in, out); _ = out.Close() }()
	f := NewFloor(commands, answers, func() error { return <-served })
	var conns [2]*net.UDPConn
	remotes := [2]End{endA, endB}
	for i := range conns {
		var err error
		if conns[i], err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conns[i].Close() }()
		remotes[i].Addr = conns[i].LocalAddr().(*net.UDPAddr).AddrPort()
	}
	ends, err := f.Open(t.Context(), 1<<63, remotes)
	if err != nil {
		t.Fatal(err)
	}
	if !sameKey(ends[0].Key, endB.Key) || ends[1].Suite != endA.Suite {
		t.Errorf("the floor re-encrypts: %v", ends)
	}
	for i, text := range []string{"from a", "from b"} {
		if _, err := conns[i].WriteToUDPAddrPort([]byte(text), ends[i].Addr); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, from, err := conns[1-i].ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != text || from != ends[1-i].Addr {
			t.Errorf("%q came from %v, %v; want %q from %v", buf[:n], from, err, text, ends[1-i].Addr)
		}
	}
	if err := f.Shut(t.Context(), 1<<63); err != nil {
		t.Error(err)
	}
	if _, err := f.Open(t.Context(), 2, [2]End{}); !errors.Is(err, ErrRefused) {
		t.Errorf("a call without addresses: %v; want ErrRefused", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestFloorTakesOnlyItsCommands(t *testing.T) {
	var out bytes.Buffer
	if err := ServeFloor(strings.NewReader("hello\nopen 1 here there\nshut 9\n"), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{"error", "error", "ok"}
	lines := bufio.NewScanner(&out)
	for _, w := range want {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), w) {
			t.Errorf("answer is %q; want %s", lines.Text(), w)
		}
	}
}
