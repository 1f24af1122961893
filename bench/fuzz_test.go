package bench

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

func FuzzParseCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4")
	f.Add("0 AEAD_AES_128_GCM inline:AAAA==")
	f.Fuzz(func(t *testing.T, value string) {
		c, err := parseCrypto(value)
		if err != nil {
			return
		}
		if _, err := c.context(); err != nil {
			t.Errorf("accepted, but not usable: %v", err)
		}
		again, err := parseCrypto(c.line())
		if err != nil || again.Tag != c.Tag || again.Suite != c.Suite || !bytes.Equal(again.Key, c.Key) {
			t.Errorf("does not read back: %v", err)
		}
	})
}

func FuzzReadAudio(f *testing.F) {
	a, err := offer(loopback, []Suite{DefaultSuite})
	if err != nil {
		f.Fatal(err)
	}
	body, err := a.describe(1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := readAudio(body)
		if err == nil && !a.Addr.IsValid() {
			t.Errorf("accepted without an address: %q", body)
		}
		if err != nil && strings.Contains(err.Error(), "inline:") {
			t.Errorf("error shows a key: %v", err)
		}
	})
}

func FuzzReadMessage(f *testing.F) {
	e := &Endpoint{cfg: Config{User: "u"}}
	l := &link{proto: TCP, local: loopback}
	d := e.callingDialog(l, Plan{Number: "1"}, Target{Proto: TCP, Host: "h", Port: 1})
	f.Add([]byte(d.request(sip.INVITE, 1, branch(), l).String()))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := readMessage(bufio.NewReaderSize(bytes.NewReader(text), maxLine), sip.NewParser())
		if (m == nil) == (err == nil) {
			t.Errorf("message %v with error %v", m, err)
		}
	})
}
