package sdp

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/srtp/v2"
)

// text is a description with LF, and each of our own keys as KEY1, KEY2 ...
func text(d *Description, own ...Crypto) string {
	s := strings.ReplaceAll(string(d.Bytes()), "\r\n", "\n")
	for _, c := range own {
		_, key, _ := strings.Cut(c.Line(), "inline:")
		s = strings.ReplaceAll(s, key, "KEY"+c.Tag)
	}
	return s
}

func equal(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

var codecs = []string{"a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20"}

func TestWriteOffer(t *testing.T) {
	own := keys(t, srtp.ProtectionProfileAes256CmHmacSha1_80, srtp.ProtectionProfileAes128CmHmacSha1_80)
	offer := parse(t, append([]string{"v=0", "o=alice 123456 7 IN IP4 10.1.1.1", "s=Talk", "i=x", "u=http://x/", "e=a@b", "p=1", "c=IN IP4 10.1.1.1",
		"b=AS:84", "t=123 456", "r=1 2 3", "z=0 0", "k=prompt", "a=ice-lite", "a=new:session",
		"m=video 6000 RTP/AVP 99", "a=rtpmap:99 H264/90000",
		"m=audio 4000 RTP/SAVPF 0 101", "i=y", "c=IN IP4 10.1.1.2", "b=TIAS:64000", crypto80, "a=rtcp:4009", "a=rtcp-mux", "a=sendonly"}, codecs...)...)
	s, err := ReadOffer(offer, Required, nil)
	if err != nil {
		t.Fatal(err)
	}
	const headB = "v=0\no=- 77 1 IN IP4 203.0.113.9\ns=-\nc=IN IP4 203.0.113.9\nb=AS:84\nt=0 0\na=new:session\n"
	const rest = "a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\na=sendonly\n"
	const crypto = "a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:KEY1\na=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:KEY2\n"
	for _, tt := range []struct {
		mode Mode
		want string
	}{
		{Off, headB + "m=audio 20000 RTP/AVP 0 101\nb=TIAS:64000\n" + rest},
		{Preferred, headB + "m=audio 20000 RTP/AVP 0 101\nb=TIAS:64000\n" + crypto + rest},
		{Required, headB + "m=audio 20000 RTP/SAVP 0 101\nb=TIAS:64000\n" + crypto + rest},
	} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			before := text(offer)
			equal(t, text(WriteOffer(offer, s, toB, tt.mode, own), own...), tt.want)
			equal(t, text(offer), before)
		})
	}
}

func TestWriteOfferPorts(t *testing.T) {
	offer := call(t, "m=audio 4000 RTP/AVP 0")
	s, err := ReadOffer(offer, Off, nil)
	if err != nil {
		t.Fatal(err)
	}
	const v6 = "v=0\no=- 1 2 IN IP6 2001:db8::9\ns=-\nc=IN IP6 2001:db8::9\nt=0 0\n"
	for _, tt := range []struct {
		name string
		to   Local
		want string
	}{
		{"IPv6", Local{Addr: netip.MustParseAddr("2001:db8::9"), RTP: 20000, RTCP: 20001, Origin: Origin{1, 2}}, v6 + "m=audio 20000 RTP/AVP 0\na=sendrecv\n"},
		{"zone", Local{Addr: netip.MustParseAddr("2001:db8::9%eth0"), RTP: 20000, RTCP: 20001, Origin: Origin{1, 2}}, v6 + "m=audio 20000 RTP/AVP 0\na=sendrecv\n"},
		{"RTCP elsewhere", Local{Addr: netip.MustParseAddr("2001:db8::9"), RTP: 20000, RTCP: 20005, Origin: Origin{1, 2}}, v6 + "m=audio 20000 RTP/AVP 0\na=sendrecv\na=rtcp:20005\n"},
		{"mapped", Local{Addr: netip.MustParseAddr("::ffff:203.0.113.9"), RTP: 20000, RTCP: 20001, Origin: Origin{1, 2}},
			"v=0\no=- 1 2 IN IP4 203.0.113.9\ns=-\nc=IN IP4 203.0.113.9\nt=0 0\nm=audio 20000 RTP/AVP 0\na=sendrecv\n"},
	} {
		t.Run(tt.name, func(t *testing.T) { equal(t, text(WriteOffer(offer, s, tt.to, Off, nil)), tt.want) })
	}
	if out := WriteOffer(offer, Stream{Index: 5}, toB, Off, nil); len(out.media) != 0 {
		t.Error("an m-line from nowhere")
	}
}

func TestOldHoldBecomesNewHold(t *testing.T) {
	offer := call(t, "m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=sendrecv")
	s, err := ReadOffer(offer, Off, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := text(WriteOffer(offer, s, toB, Off, nil))
	if strings.Contains(out, "0.0.0.0") || !strings.Contains(out, "a=sendonly\n") || strings.Contains(out, "a=sendrecv") {
		t.Error(out)
	}
}

const headA = "v=0\no=- 77 1 IN IP4 203.0.113.9\ns=-\nc=IN IP4 203.0.113.9\nt=0 0\n"

func TestWriteAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mode   Mode
		offer  []string
		answer []string
		want   string
	}{
		{"plain", Off,
			[]string{"m=audio 4000 RTP/AVP 0 8 101"},
			append([]string{"m=audio 5000 RTP/AVP 0 101"}, codecs...),
			"m=audio 20000 RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\na=sendrecv\n"},
		{"profile, tag and name as offered", Required,
			[]string{"m=audio 4000 rtp/savpf 0", "a=crypto:123456789 aes_cm_128_hmac_sha1_80 inline:" + key30},
			[]string{"m=audio 5000 RTP/AVP 0"},
			"m=audio 20000 rtp/savpf 0\na=crypto:123456789 aes_cm_128_hmac_sha1_80 inline:KEY123456789\na=sendrecv\n"},
		{"AVP with crypto stays AVP", Preferred,
			[]string{"m=audio 4000 RTP/AVP 0", crypto32, crypto80},
			[]string{"m=audio 5000 RTP/SAVP 0", crypto80},
			"m=audio 20000 RTP/AVP 0\na=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:KEY2\na=sendrecv\n"},
		{"crypto ignored where off", Off,
			[]string{"m=audio 4000 RTP/AVP 0", crypto80},
			[]string{"m=audio 5000 RTP/SAVP 0", crypto80},
			"m=audio 20000 RTP/AVP 0\na=sendrecv\n"},
		{"twins", Required,
			[]string{"m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/SAVP 0", crypto80},
			[]string{"m=audio 5000 RTP/AVP 0"},
			"m=audio 0 RTP/AVP 0\nm=audio 20000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY1\na=sendrecv\n"},
		{"video and fax refused", Off,
			[]string{"m=video 4002 RTP/AVP 99 100", "a=rtpmap:99 H264/90000", "m=audio 4000 RTP/AVP 0", "m=image 4004 udptl t38", "a=T38FaxVersion:0", "m=audio 0 RTP/AVP"},
			[]string{"m=audio 5000 RTP/AVP 0"},
			"m=video 0 RTP/AVP 99 100\nm=audio 20000 RTP/AVP 0\na=sendrecv\nm=image 0 udptl t38\nm=audio 0 RTP/AVP 0\n"},
		{"mux offered", Off,
			[]string{"m=audio 4000 RTP/AVP 0", "a=rtcp-mux", "a=rtcp:4000"},
			[]string{"m=audio 5000 RTP/AVP 0", "a=rtcp:5003"},
			"m=audio 20000 RTP/AVP 0\na=sendrecv\na=rtcp-mux\n"},
		{"mux answered, not offered", Off,
			[]string{"m=audio 4000 RTP/AVP 0"},
			[]string{"m=audio 5000 RTP/AVP 0", "a=rtcp-mux"},
			"m=audio 20000 RTP/AVP 0\na=sendrecv\n"},
		{"hold answered", Off,
			[]string{"m=audio 4000 RTP/AVP 0", "a=sendonly"},
			[]string{"a=recvonly", "m=audio 5000 RTP/AVP 0"},
			"m=audio 20000 RTP/AVP 0\na=recvonly\n"},
		{"hold answered by one that knows no hold", Off,
			[]string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0"},
			[]string{"m=audio 5000 RTP/AVP 0"},
			"m=audio 20000 RTP/AVP 0\na=recvonly\n"},
		{"refused", Off,
			[]string{"m=audio 4000 RTP/AVP 0 8", "m=video 4002 RTP/AVP 99"},
			[]string{"m=audio 0 RTP/AVP 0"},
			"m=audio 0 RTP/AVP 0 8\nm=video 0 RTP/AVP 99\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			offer := call(t, tt.offer...)
			s, err := ReadOffer(offer, tt.mode, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Secure {
				equal(t, text(WriteAnswer(offer, s, call(t, tt.answer...), toB, nil)), headA+tt.want)
				return
			}
			own, err := NewAnswerKey(s.Crypto, randomFrom(2))
			if err != nil {
				t.Fatal(err)
			}
			equal(t, text(WriteAnswer(offer, s, call(t, tt.answer...), toB, &own), own), headA+tt.want)
		})
	}
}

// A secure stream is never answered without a key, a plain one never with.
func TestWriteAnswerNeedsTheRightKey(t *testing.T) {
	answer := call(t, "m=audio 5000 RTP/AVP 0")
	offer := call(t, "m=audio 4000 RTP/AVP 0", crypto80)
	secure, err := ReadOffer(offer, Preferred, nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, text(WriteAnswer(offer, secure, answer, toB, nil)), headA+"m=audio 0 RTP/AVP 0\n")
	plain, err := ReadOffer(offer, Off, nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, text(WriteAnswer(offer, plain, answer, toB, &keys(t)[0])), headA+"m=audio 20000 RTP/AVP 0\na=sendrecv\n")
}

// The answer's t= is the offer's (RFC 3264 section 6).
func TestWriteAnswerTiming(t *testing.T) {
	offer := parse(t, "v=0", "c=IN IP4 192.0.2.1", "t=2873397496 2873404696", "t=1 2", "t=now", "t=0 x", "m=audio 4000 RTP/AVP 0")
	s, err := ReadOffer(offer, Off, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := text(WriteAnswer(offer, s, call(t, "m=audio 5000 RTP/AVP 0"), toB, nil))
	if !strings.Contains(out, "\nt=2873397496 2873404696\nt=1 2\nm=") {
		t.Error(out)
	}
	// Without one it is the permanent session's (RFC 8866 section 5.9).
	out = text(WriteAnswer(parse(t, "v=0", "m=audio 4000 RTP/AVP 0"), s, call(t, "m=audio 5000 RTP/AVP 0"), toB, nil))
	if !strings.Contains(out, "\nt=0 0\nm=") {
		t.Error(out)
	}
}
