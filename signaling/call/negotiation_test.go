package call

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"callseal/media"
	"callseal/sdp"
	"callseal/signaling/transport"
)

const plainOffer = "v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

const theirKey = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz" // RFC 4568 section 9's example

func sealed(body string) string {
	return strings.Replace(body, "RTP/AVP", "RTP/SAVP", 1) + "a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:" + theirKey + "\r\n"
}

func party(name string, mode sdp.Mode, suites ...sdp.Suite) Party {
	return Party{Role: transport.Dialer, Name: name, Mode: mode, Suites: suites}
}

// negotiate takes an offer as far as B's offer.
func negotiate(t *testing.T, a, b Party, offer string) (*negotiation, string) {
	t.Helper()
	n := newNegotiation(a, b, rand.Reader)
	first, err := n.propose(sideA, []byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	n.first = first
	n.agree(sideA, first.settled())
	us := netip.MustParseAddr("198.51.100.9")
	if err := n.locate(endpoint{us, 20000, 20001}, endpoint{us, 20002, 20003}); err != nil {
		t.Fatal(err)
	}
	if n.asked, err = n.offer(sideB, first.offer, first.stream, false); err != nil {
		t.Fatal(err)
	}
	return n, string(n.asked.body)
}

// told is an answer of B, and what A is told of it.
type told struct {
	body   []byte
	remote media.Remote
}

// answers takes an answer of a fork of B.
func (n *negotiation) answers(tag string, body []byte) (told, error) {
	a, err := n.fork(tag, body, false)
	if err != nil {
		return told{}, err
	}
	return told{n.answer(n.first), a.remote()}, nil
}

func (n *negotiation) remoteA() media.Remote { return n.first.settled().remote() }

// inline gives the keys in a description.
func inline(body string) []string {
	var keys []string
	for _, part := range strings.Split(body, "inline:")[1:] {
		keys = append(keys, strings.FieldsFunc(part, func(r rune) bool { return r == '\r' || r == '|' })[0])
	}
	return keys
}

func TestEachLegHasItsOwnKeys(t *testing.T) {
	all := sdp.Suites()
	n, offered := negotiate(t, party("a", sdp.Required, all...), party("b", sdp.Required, all...), sealed(plainOffer))
	theirs, err := sdp.NewCrypto(2, all[1], rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.Replace(plainOffer, "RTP/AVP", "RTP/SAVP", 1) + theirs.Line() + "\r\n"
	if got := len(inline(offered)); got != len(all) {
		t.Fatalf("%d lines offered to B, want %d", got, len(all))
	}
	ours, err := n.answers("tag", []byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{theirKey: "A's own"}
	for _, key := range append(inline(offered), inline(string(ours.body))...) {
		if who, again := seen[key]; again {
			t.Errorf("a key is used twice: %s", who)
		}
		seen[key] = "ours"
	}
	if !strings.Contains(string(ours.body), "a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:") {
		t.Error("the answer to A does not keep the tag and name of A's line")
	}
	if ours.remote.Receive == nil || ours.remote.Send == nil || n.remoteA().Receive == nil || n.remoteA().Send == nil {
		t.Error("a sealed leg without keys")
	}
	if ours.remote.Send.Equal(*n.remoteA().Send) || n.remoteA().Receive.Equal(*n.remoteA().Send) {
		t.Error("two directions share a key")
	}
}

func TestModesOfTheTwoLegs(t *testing.T) {
	suite, _ := sdp.ParseSuite("AES_CM_128_HMAC_SHA1_80")
	for _, c := range []struct {
		name       string
		a, b       sdp.Mode
		offer      string
		answer     string
		wantOffer  string // profile toward B
		wantAnswer string // profile toward A
		sealA      bool
		sealB      bool
	}{
		{"sealed to plain", sdp.Required, sdp.Off, sealed(plainOffer), plainOffer, "RTP/AVP", "RTP/SAVP", true, false},
		{"plain to plain", sdp.Off, sdp.Off, plainOffer, plainOffer, "RTP/AVP", "RTP/AVP", false, false},
		{"best effort taken up by nobody", sdp.Preferred, sdp.Preferred, plainOffer, plainOffer, "RTP/AVP", "RTP/AVP", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, offered := negotiate(t, party("a", c.a, suite), party("b", c.b, suite), c.offer)
			if !strings.Contains(offered, " "+c.wantOffer+" ") {
				t.Errorf("to B:\n%s", offered)
			}
			ours, err := n.answers("x", []byte(c.answer))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(ours.body), " "+c.wantAnswer+" ") {
				t.Errorf("to A:\n%s", ours.body)
			}
			if got := n.remoteA().Send != nil; got != c.sealA {
				t.Errorf("leg A sealed: %v", got)
			}
			if got := ours.remote.Send != nil; got != c.sealB {
				t.Errorf("leg B sealed: %v", got)
			}
		})
	}
}

func TestAnswersByTag(t *testing.T) {
	suite, _ := sdp.ParseSuite("AES_CM_128_HMAC_SHA1_80")
	n, _ := negotiate(t, party("a", sdp.Off, suite), party("b", sdp.Off, suite), plainOffer)
	if _, err := n.answers("x", nil); !errors.Is(err, errNoSDP) {
		t.Errorf("a tag that said nothing: %v", err)
	}
	early, err := n.answers("x", []byte(plainOffer))
	if err != nil {
		t.Fatal(err)
	}
	again, err := n.answers("x", nil)
	if err != nil || string(again.body) != string(early.body) {
		t.Errorf("the 200 without SDP does not repeat what the 183 said: %v", err)
	}
	same, _ := n.answers("x", []byte(plainOffer))
	if string(same.body) != string(early.body) {
		t.Error("an unchanged answer changes for A")
	}
	other, err := n.answers("y", []byte(strings.Replace(plainOffer, "PCMU", "PCMA", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if version(other.body) == version(early.body) {
		t.Error("another answer under the same session version")
	}
	back, err := n.answers("x", nil)
	if err != nil || version(back.body) == version(other.body) || version(back.body) == version(early.body) {
		t.Errorf("the first answer again, after another, under version %s: %v", version(back.body), err)
	}
}

func version(body []byte) string {
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "o=") {
			return strings.Fields(line)[2]
		}
	}
	return ""
}

func TestFaultsAreNamed(t *testing.T) {
	suite, _ := sdp.ParseSuite("AES_CM_128_HMAC_SHA1_80")
	for _, c := range []struct {
		name, offer string
		mode        sdp.Mode
		cause       string
	}{
		{"plain where SRTP is required", plainOffer, sdp.Required, "srtp_required"},
		{"unknown suite", strings.Replace(sealed(plainOffer), "AES_CM_128_HMAC_SHA1_80", "F8_128_HMAC_SHA1_80", 1), sdp.Required, "no_suite"},
		{"SRTP where media is off", sealed(plainOffer), sdp.Off, "profile"},
		{"no audio", strings.Replace(plainOffer, "m=audio", "m=video", 1), sdp.Off, "no_audio"},
		{"nothing", "", sdp.Off, "no_sdp"},
		{"noise", "\x00\x01", sdp.Off, "syntax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := party("dialer1", c.mode, suite)
			_, err := newNegotiation(p, p, rand.Reader).propose(sideA, []byte(c.offer))
			if err == nil {
				t.Fatal("taken")
			}
			phrase, cause, advice := fault(p, err)
			if cause != c.cause || !strings.HasPrefix(phrase, "dialer1 ") || advice == "" {
				t.Errorf("%q %q %q (%v)", phrase, cause, advice, err)
			}
			if strings.Contains(err.Error(), theirKey) {
				t.Error("the error shows a key")
			}
		})
	}
}
