package sdp

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// seeds are the descriptions of the golden calls.
func seeds(f *testing.F, folder string) [][]byte {
	f.Helper()
	archive, err := txtar.ParseFile(goldenFile)
	if err != nil {
		f.Fatal(err)
	}
	var all [][]byte
	for _, file := range archive.Files {
		if strings.HasPrefix(file.Name, folder) {
			all = append(all, bytes.ReplaceAll(file.Data, []byte("\n"), []byte("\r\n")))
		}
	}
	return all
}

// FuzzParse: no panic, and what is written reads back as the same.
func FuzzParse(f *testing.F) {
	for _, seed := range append(seeds(f, "offers/"), seeds(f, "answers/")...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := Parse(body)
		if err != nil {
			return
		}
		again, err := Parse(d.Bytes())
		if len(d.Bytes()) <= MaxSize && (err != nil || !bytes.Equal(again.Bytes(), d.Bytes())) {
			t.Fatalf("%q: %v", d.Bytes(), err)
		}
		if p, err := d.Pion(); err == nil {
			if _, err := p.Marshal(); err != nil || len(p.MediaDescriptions) != len(d.media) {
				t.Fatalf("pion/sdp: %v", err)
			}
		}
	})
}

// FuzzCrypto: no panic, no key in an error, and what is written reads back as
// the same key.
func FuzzCrypto(f *testing.F) {
	for _, seed := range append(seeds(f, "offers/"), seeds(f, "answers/")...) {
		for l := range strings.SplitSeq(string(seed), "\r\n") {
			if value, ok := strings.CutPrefix(l, "a=crypto:"); ok {
				f.Add(value)
			}
		}
	}
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^31|1:4;inline:" + key30 + "|2^31|2:4 KDR=1 -x UNENCRYPTED_SRTCP")
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCrypto(value)
		if err != nil {
			for _, key := range inlineKeys([]byte(value)) {
				if strings.Contains(err.Error(), key) {
					t.Fatal("the error holds the key")
				}
			}
			return
		}
		again, err := ParseCrypto(strings.TrimPrefix(c.Line(), "a=crypto:"))
		if err != nil || !bytes.Equal(again.Key, c.Key) || again.Tag != c.Tag || again.Suite != c.Suite ||
			again.Lifetime != c.Lifetime || !bytes.Equal(again.MKI, c.MKI) {
			t.Fatalf("%+v reads back as %+v, %v", c, again, err)
		}
	})
}

// inlineKeys are the texts of at least 16 characters after "inline:" that a
// description holds just once.
func inlineKeys(text []byte) []string {
	var keys []string
	for i, part := range strings.Split(string(text), "inline:") {
		key := part[:len(part)-len(strings.TrimLeft(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))]
		if i > 0 && len(key) >= 16 && strings.Count(string(text), key) == 1 {
			keys = append(keys, key)
		}
	}
	return keys
}

// FuzzRewrite: an offer and an answer through both legs, in every mode: no
// panic, what is written reads back, and no key of one side shows anywhere.
func FuzzRewrite(f *testing.F) {
	answers := seeds(f, "answers/")
	for i, offer := range seeds(f, "offers/") {
		for mode := range byte(9) {
			f.Add(offer, answers[i%len(answers)], mode)
		}
	}
	f.Fuzz(func(t *testing.T, offerText, answerText []byte, modes byte) {
		offer, err := Parse(offerText)
		if err != nil {
			return
		}
		modeA, modeB := Mode(modes%3), Mode(modes/3%3)
		s, err := ReadOffer(offer, modeA, nil)
		if err != nil {
			mustNotShow(t, offerText, []byte(err.Error()))
			return
		}
		own := keys(t)
		toB := WriteOffer(offer, s, fuzzLocal, modeB, own)
		mustNotShow(t, offerText, toB.Bytes())
		if modeB == Off && bytes.Contains(toB.Bytes(), []byte("inline:")) {
			t.Fatal("a key where SRTP is off")
		}
		again, err := Parse(toB.Bytes())
		if len(toB.Bytes()) > MaxSize {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ReadOffer(again, modeB, nil); err != nil || got.Secure != (modeB != Off) || got.Direction != s.Direction {
			t.Fatalf("our own offer reads back as %+v, %v", got, err)
		}
		answer, err := Parse(answerText)
		if err != nil {
			return
		}
		if _, err := ReadAnswer(answer, modeB, own); err != nil {
			mustNotShow(t, answerText, []byte(err.Error()))
		}
		key := answerKey(t, s)
		toA := WriteAnswer(offer, s, answer, fuzzLocal, key)
		mustNotShow(t, offerText, toA.Bytes())
		mustNotShow(t, answerText, toA.Bytes())
		checkAnswer(t, offer, s, toA, key)
		if again, err := Parse(toA.Bytes()); len(toA.Bytes()) <= MaxSize && (err != nil || len(again.media) != len(offer.media)) {
			t.Fatalf("our own answer: %v", err)
		}
	})
}

var fuzzLocal = Local{Addr: netip.MustParseAddr("2001:db8::9"), RTP: 20000, RTCP: 20003, Origin: Origin{ID: 1, Version: 2}}

// mustNotShow checks that no key of the input is in the output, nor the bytes
// of one in another alphabet.
func mustNotShow(t *testing.T, input, output []byte) {
	t.Helper()
	for _, key := range inlineKeys(input) {
		raw, err := base64.RawStdEncoding.DecodeString(key)
		if bytes.Contains(output, []byte(key)) || err == nil && bytes.Contains(output, raw) {
			t.Fatalf("a key of the input shows in\n%q", output)
		}
	}
}
