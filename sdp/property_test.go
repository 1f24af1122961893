package sdp

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// leaky is a drawn description together with all that must not be seen of it.
type leaky struct {
	text    []byte
	secrets []string
}

// secret draws a text that occurs nowhere by chance, and remembers it.
func (l *leaky) secret(t *rapid.T, label string) string {
	s := rapid.StringMatching(`[a-z]{12,20}`).Draw(t, label)
	l.secrets = append(l.secrets, s)
	return s
}

func (l *leaky) number(t *rapid.T, label string) string {
	n := strconv.FormatUint(rapid.Uint64Range(1e12, 1e15).Draw(t, label), 10)
	l.secrets = append(l.secrets, n)
	return n
}

// address draws "IP4 10.1.2.3" or "IP6 fd00::..." in its parts.
func (l *leaky) address(t *rapid.T, label string) (kind, text string) {
	b := rapid.SliceOfN(rapid.Byte(), 13, 13).Draw(t, label)
	kind = "IP4"
	text = netip.AddrFrom4([4]byte{10, b[0], b[1], b[2]}).String()
	if rapid.Bool().Draw(t, label+" is IPv6") {
		kind = "IP6"
		text = netip.AddrFrom16([16]byte{0xfd, 0xca, 0xfe, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12]}).String()
	}
	l.secrets = append(l.secrets, text)
	return kind, text
}

// crypto draws a good crypto line.
func (l *leaky) crypto(t *rapid.T, tag int) string {
	suite := rapid.SampledFrom(suites).Draw(t, "suite")
	key := base64.StdEncoding.EncodeToString(rapid.SliceOfN(rapid.Byte(), suite.size, suite.size).Draw(t, "key"))
	l.secrets = append(l.secrets, strings.TrimRight(key, "="))
	return fmt.Sprintf("a=crypto:%d %s inline:%s%s", tag, rapid.SampledFrom(suite.names).Draw(t, "name"), key,
		rapid.SampledFrom([]string{"", "|2^31", "|2^20|1:4", " WSH=128", " UNENCRYPTED_SRTCP"}).Draw(t, "rest"))
}

// leak draws a line that tells about the leg it comes from.
func (l *leaky) leak(t *rapid.T, part string) string {
	kind, addr := l.address(t, part)
	word := l.secret(t, part+" word")
	return rapid.SampledFrom([]string{
		"i=" + word, "u=http://" + word + "/", "e=" + word + "@" + word, "p=+" + word, "k=clear:" + word,
		"a=rtcp:5001 IN " + kind + " " + addr,
		"a=candidate:1 1 UDP 2130706431 " + addr + " 5000 typ host",
		"a=candidate:1 1 UDP 2130706431 " + word + ".local 5000 typ host",
		"a=remote-candidates:1 " + addr + " 5000",
		"a=ice-ufrag:" + word, "a=ice-pwd:" + word, "a=ice-options:" + word,
		"a=ssrc:" + l.number(t, part+" ssrc") + " cname:" + word, "a=cname:" + word, "a=msid:" + word + " x", "a=mid:" + word, "a=group:BUNDLE " + word,
		"a=fingerprint:sha-256 " + word, "a=setup:" + word, "a=tls-id:" + word, "a=zrtp-hash:1.10 " + word, "a=key-mgmt:mikey " + word,
		"a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + word, "a=X-cap: 1 " + word, "a=x-bypassid:" + word, "a=tool:" + word,
		"a=alt:1 1 : " + word + " " + word + " " + addr + " 5000", "a=source-filter: incl IN " + kind + " * " + addr,
		"a=unheard-of:" + addr, "a=unheard-of:[" + addr + "]:5000", "a=unheard-of:x=" + addr + ";y", "b=X-" + addr + ":1",
		"a=RTCP:5001 IN " + kind + " " + addr, "a=Candidate:" + word, "a= ice-ufrag :" + word, "a=identity:" + word,
	}).Draw(t, part+" leak")
}

// drawDescription draws a call's description with leaks all over it.
func drawDescription(t *rapid.T) leaky {
	var l leaky
	kind, addr := l.address(t, "origin")
	lines := []string{"v=0", fmt.Sprintf("o=%s %s %s IN %s %s", l.secret(t, "user"), l.number(t, "id"), l.number(t, "version"), kind, addr)}
	lines = append(lines, "s="+l.secret(t, "session name"))
	kind, addr = l.address(t, "connection")
	lines = append(lines, "c=IN "+kind+" "+addr, "t=0 0")
	for range rapid.IntRange(0, 4).Draw(t, "session leaks") {
		lines = append(lines, l.leak(t, "session"))
	}
	for range rapid.IntRange(1, 4).Draw(t, "m-lines") {
		lines = append(lines, fmt.Sprintf("m=%s %d %s 0 101",
			rapid.SampledFrom([]string{"audio", "audio", "audio", "video", "image"}).Draw(t, "media"),
			rapid.IntRange(0, 65535).Draw(t, "port"),
			rapid.SampledFrom([]string{"RTP/AVP", "RTP/SAVP", "RTP/AVPF", "rtp/savpf", "UDP/TLS/RTP/SAVPF"}).Draw(t, "profile")))
		if rapid.Bool().Draw(t, "own connection") {
			kind, addr := l.address(t, "media connection")
			lines = append(lines, "c=IN "+kind+" "+addr)
		}
		part := []string{"a=rtpmap:0 PCMU/8000", rapid.SampledFrom([]string{"a=sendrecv", "a=sendonly", "a=inactive", "a=recvonly", "a=rtcp-mux"}).Draw(t, "attribute")}
		for range rapid.IntRange(0, 3).Draw(t, "leaks") {
			part = append(part, l.leak(t, "media"))
		}
		for tag := range rapid.IntRange(0, 3).Draw(t, "crypto lines") {
			part = append(part, l.crypto(t, tag))
		}
		lines = append(lines, rapid.Permutation(part).Draw(t, "order")...)
	}
	l.text = crlf(lines...)
	return l
}

func (l *leaky) mustNotShow(t *rapid.T, what string, text []byte) {
	for _, s := range l.secrets {
		if strings.Contains(string(text), s) {
			t.Fatalf("%s shows %q:\n%s\nof\n%s", what, s, text, l.text)
		}
	}
}

// Nothing of one leg's network, names or keys is seen on the other, nor are
// its keys in what goes back to it.
func TestPropertyNothingLeaks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawDescription(t), drawDescription(t)
		offer, err := Parse(a.text)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := Parse(b.text)
		if err != nil {
			t.Fatal(err)
		}
		modes := rapid.SampledFrom([]Mode{Off, Preferred, Required})
		s, err := ReadOffer(offer, modes.Draw(t, "A"), nil)
		if err != nil {
			a.mustNotShow(t, "an error", []byte(err.Error()))
			return
		}
		modeB := modes.Draw(t, "B")
		own, err := NewOfferKeys(Suites(), randomFrom(1))
		if err != nil {
			t.Fatal(err)
		}
		a.mustNotShow(t, "the offer to B", WriteOffer(offer, s, toB, modeB, own).Bytes())
		if _, err := ReadAnswer(answer, modeB, own); err != nil {
			b.mustNotShow(t, "an error", []byte(err.Error()))
		}
		key := answerKey(t, s)
		out := WriteAnswer(offer, s, answer, toB, key)
		a.mustNotShow(t, "the answer to A", out.Bytes())
		b.mustNotShow(t, "the answer to A", out.Bytes())
		checkAnswer(t, offer, s, out, key)
	})
}

// answerKey is our own line for a stream, nil where it is plain.
func answerKey(t rapid.TB, s Stream) *Crypto {
	if !s.Secure {
		return nil
	}
	key, err := NewAnswerKey(s.Crypto, randomFrom(2))
	if err != nil {
		t.Fatal(err)
	}
	return &key
}

// checkAnswer checks the shape of an answer to A (RFC 3264 section 6, RFC 4568
// section 5.1.2): m-lines as offered, one audio line at most, one crypto line
// just where it is secure.
func checkAnswer(t rapid.TB, offer *Description, s Stream, answer *Description, key *Crypto) {
	if len(answer.media) != len(offer.media) {
		t.Fatalf("%d m-lines for %d", len(answer.media), len(offer.media))
	}
	for i := range offer.media {
		o, a := &offer.media[i], &answer.media[i]
		if !strings.EqualFold(o.kindOf, a.kindOf) || o.proto != a.proto {
			t.Fatalf("line %d: %s %s answered with %s %s", i, o.kindOf, o.proto, a.kindOf, a.proto)
		}
		if a.port == "0" {
			continue
		}
		if i != s.Index {
			t.Fatalf("line %d is taken", i)
		}
		if key == nil && len(a.cryptos()) != 0 || key != nil && !slices.Equal(a.cryptos(), []string{strings.TrimPrefix(key.Line(), "a=crypto:")}) {
			t.Fatalf("crypto lines of the answer: %d", len(a.cryptos()))
		}
		if a.has("rtcp-mux") != s.Mux {
			t.Fatalf("rtcp-mux: %t", !s.Mux)
		}
	}
}

// What we offer is read back by our own reader as what it says.
func TestPropertyOfferReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawDescription(t)
		offer, err := Parse(a.text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ReadOffer(offer, rapid.SampledFrom([]Mode{Off, Preferred, Required}).Draw(t, "A"), nil)
		if err != nil {
			return
		}
		own, err := NewOfferKeys(Suites(), randomFrom(1))
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []Mode{Off, Preferred, Required} {
			out, err := Parse(WriteOffer(offer, s, toB, mode, own).Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if p, err := out.Pion(); err != nil || len(p.MediaDescriptions) != 1 {
				t.Fatalf("%v for pion/sdp", err)
			}
			got, err := ReadOffer(out, mode, nil)
			want := Stream{
				Proto: map[bool]string{true: "RTP/SAVP", false: "RTP/AVP"}[mode == Required],
				RTP:   netip.AddrPortFrom(toB.Addr, toB.RTP), RTCP: netip.AddrPortFrom(toB.Addr, toB.RTCP),
				Secure: mode != Off, Direction: s.Direction, Held: s.Held, Payloads: s.Payloads,
			}
			if mode != Off {
				want.Crypto = own[0]
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: got %+v, %v, want %+v", mode, got, err, want)
			}
		}
	})
}

// A crypto line of any suite, tag, lifetime and MKI reads back as itself.
func TestPropertyCryptoReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		suite := rapid.SampledFrom(suites).Draw(t, "suite")
		c := Crypto{
			Tag:      strconv.Itoa(rapid.IntRange(0, maxTag).Draw(t, "tag")),
			Suite:    suite.suite,
			Name:     rapid.SampledFrom(suite.names).Draw(t, "name"),
			Key:      rapid.SliceOfN(rapid.Byte(), suite.size, suite.size).Draw(t, "key"),
			Lifetime: rapid.Uint64Range(0, maxLifetime).Draw(t, "lifetime"),
		}
		if rapid.Bool().Draw(t, "has MKI") {
			c.MKI = rapid.SliceOfN(rapid.Byte(), 1, maxMKI).Draw(t, "MKI")
			c.MKILen = len(c.MKI)
		}
		got, err := ParseCrypto(strings.TrimPrefix(c.Line(), "a=crypto:"))
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("got %+v, %v, want %+v", got, err, c)
		}
	})
}

// A description is written as it was read, whatever its lines say.
func TestPropertyLinesAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching(`[a-ln-zA-Z]=[ -~é\t]{0,30}`), 0, 40).Draw(t, "lines")
		text := crlf(append([]string{"v=0"}, lines...)...)
		d, err := Parse(text)
		if err != nil || string(d.Bytes()) != string(text) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
