package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emiago/sipgo/sip"
)

func TestScanner(t *testing.T) {
	text := []byte("INVITE sip:1@host SIP/2.0\r\n")
	for size := 1; size <= len(text); size++ {
		var s scanner
		found := false
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			found = s.readable(rest[:n]) || found
			rest = rest[n:]
		}
		if !found {
			t.Errorf("not seen in segments of %d bytes", size)
		}
	}
	var s scanner
	for _, segment := range []string{"SIP/", "x2.0", "inlin", "g:"} {
		if s.readable([]byte(segment)) {
			t.Errorf("%q was called readable", segment)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for _, row := range []struct {
		uri  string
		want Target
		ok   bool
	}{
		{"sips:127.0.0.1:5071", Target{TLS, "127.0.0.1", 5071}, true},
		{"sips:sbc.example", Target{TLS, "sbc.example", 5061}, true},
		{"sip:sbc.example", Target{UDP, "sbc.example", 5060}, true},
		{"sip:sbc.example:5070;transport=tcp", Target{TCP, "sbc.example", 5070}, true},
		{"sip:[::1]:5061;transport=TLS", Target{TLS, "::1", 5061}, true},
		{"sips:[::1]", Target{TLS, "::1", 5061}, true},
		{"sbc.example:5061", Target{}, false},
		{"sip:", Target{}, false},
		{"sip:host:0", Target{}, false},
		{"sip:host:70000", Target{}, false},
		{"sip:host;transport=ws", Target{}, false},
		{"sip:host;lr", Target{}, false},
	} {
		t.Run(row.uri, func(t *testing.T) {
			got, err := ParseTarget(row.uri)
			if (err == nil) != row.ok || row.ok && got != row.want {
				t.Errorf("got %+v, %v; want %+v", got, err, row.want)
			}
			if err != nil && !errors.Is(err, ErrTarget) {
				t.Errorf("error is no ErrTarget: %v", err)
			}
		})
	}
}

func TestParseCrypto(t *testing.T) {
	const good = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj" // RFC 4568, section 6.1
	for _, row := range []struct {
		name, value string
		ok          bool
	}{
		{"as in the RFC", "1 AES_CM_128_HMAC_SHA1_80 " + good, true},
		{"lifetime and MKI", "1 AES_CM_128_HMAC_SHA1_80 " + good + "|2^20|1:4", true},
		{"tag 0", "0 AES_CM_128_HMAC_SHA1_32 " + good, true},
		{"no key", "1 AES_CM_128_HMAC_SHA1_80", false},
		{"short key", "1 AES_CM_128_HMAC_SHA1_80 inline:d0Rm", false},
		{"key for another suite", "1 AEAD_AES_256_GCM " + good, false},
		{"not base64", "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJS*j", false},
		{"unknown suite", "1 F8_128_HMAC_SHA1_80 " + good, false},
		{"bad tag", "x AES_CM_128_HMAC_SHA1_80 " + good, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := parseCrypto(row.value)
			if (err == nil) != row.ok {
				t.Fatalf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "d0Rm") {
				t.Errorf("error shows the key: %v", err)
			}
			if err == nil {
				again, err := parseCrypto(c.line())
				if err != nil || !bytes.Equal(again.Key, c.Key) {
					t.Errorf("the line that was written does not read back: %v", err)
				}
				if text := fmt.Sprintf("%v %+v %#v %s %x", c, c, c, c.Key, c.Key); strings.Contains(text, "7744") || strings.Contains(text, "119 68") {
					t.Errorf("key prints: %s", text)
				}
			}
		})
	}
}

func TestSettle(t *testing.T) {
	offered, err := offer(loopback, []Suite{DefaultSuite})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := newCrypto(1, DefaultSuite)
	if err != nil {
		t.Fatal(err)
	}
	wrongTag := theirs
	wrongTag.Tag = 2
	for _, row := range []struct {
		name            string
		offered, answer audio
		want            error
	}{
		{"as offered", offered, audio{Profile: profileSecure, Keys: []crypto{theirs}}, nil},
		{"plain", offered, audio{Profile: profilePlain}, ErrPlain},
		{"SAVP without a key", offered, audio{Profile: profileSecure}, ErrPlain},
		{"AVP with a key", offered, audio{Profile: profilePlain, Keys: []crypto{theirs}}, ErrPlain},
		{"unknown tag", offered, audio{Profile: profileSecure, Keys: []crypto{wrongTag}}, ErrKey},
		{"SRTP to a plain offer", audio{Profile: profilePlain}, audio{Profile: profileSecure, Keys: []crypto{theirs}}, ErrMedia},
		{"plain to a plain offer", audio{Profile: profilePlain}, audio{Profile: profilePlain}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, _, err := settle(row.offered, row.answer); !errors.Is(err, row.want) {
				t.Errorf("error %v; want %v", err, row.want)
			}
		})
	}
}

func TestReadMessage(t *testing.T) {
	e := &Endpoint{cfg: Config{User: "u"}}
	l := &link{proto: TCP, local: netip.MustParseAddrPort("127.0.0.1:5060")}
	d := e.callingDialog(l, Plan{Number: "1"}, Target{Proto: TCP, Host: "h", Port: 1})
	req := d.request(sip.OPTIONS, 1, branch(), l)
	req.SetBody([]byte("body"))
	whole := "\r\n\r\n" + req.String() + req.String()
	r := bufio.NewReader(iotest.OneByteReader(strings.NewReader(whole)))
	for range 2 {
		m, err := readMessage(r, sip.NewParser())
		if err != nil || string(m.Body()) != "body" {
			t.Fatalf("message %v, error %v", m, err)
		}
	}
	if _, err := readMessage(r, sip.NewParser()); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	for _, row := range []struct{ name, text string }{
		{"negative length", "OPTIONS sip:h SIP/2.0\r\nContent-Length: -1\r\n\r\n"},
		{"huge length", "OPTIONS sip:h SIP/2.0\r\nContent-Length: 99999999\r\n\r\n"},
		{"headers missing", "OPTIONS sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n"},
		{"not SIP", "GET / HTTP/1.1\r\n\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := readMessage(bufio.NewReader(strings.NewReader(row.text)), sip.NewParser()); !errors.Is(err, ErrMessage) {
				t.Errorf("error %v; want ErrMessage", err)
			}
		})
	}
}

func TestDialErrors(t *testing.T) {
	ca, cert := identity(t)
	other, _ := identity(t)
	tlsServer, err := NewAnswerer(Config{Proto: TLS, Local: loopback, Certificate: cert}, Book{}.Find)
	if err != nil {
		t.Fatal(err)
	}
	defer tlsServer.Close()
	plain, err := NewAnswerer(Config{Proto: TCP, Local: loopback}, Book{}.Find)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := uint16(free.Addr().(*net.TCPAddr).Port)
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		cfg  Config
		port uint16
		want error
		text string
	}{
		{"nobody there", Config{Roots: ca.Pool()}, nobody, ErrUnreachable, "refused"},
		{"another CA", Config{Roots: other.Pool()}, tlsServer.Addr().Port(), ErrCertificate, "not signed by the given CA"},
		{"another name", Config{Roots: ca.Pool(), ServerName: "else.test"}, tlsServer.Addr().Port(), ErrCertificate, "not made out for else.test"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.cfg.Proto = TLS
			_, err := NewCaller(t.Context(), row.cfg, Target{Proto: TLS, Host: "127.0.0.1", Port: row.port})
			if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) {
				t.Errorf("error %v; want %v with %q", err, row.want, row.text)
			}
		})
	}
}
