package sdp

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/pion/srtp/v2"
)

const (
	crypto80  = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key30
	crypto32  = "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:" + key30
	crypto256 = "a=crypto:3 AES_CM_256_HMAC_SHA1_80 inline:" + key46
	cryptoF8  = "a=crypto:4 F8_128_HMAC_SHA1_80 inline:" + key30
	cryptoBad = "a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTCP"
)

func TestReadOfferSecurity(t *testing.T) {
	avp, savp := "m=audio 4000 RTP/AVP 0", "m=audio 5000 RTP/SAVP 0"
	type result struct {
		index int
		tag   string // of the chosen line, "" for plain RTP
		err   error
	}
	plain := func(index int) result { return result{index: index} }
	secure := func(index int, tag string) result { return result{index: index, tag: tag} }
	fails := func(err error) result { return result{err: err} }
	for _, tt := range []struct {
		name                     string
		lines                    []string
		off, preferred, required result
	}{
		{"AVP", []string{avp}, plain(0), plain(0), fails(ErrPlain)},
		{"AVPF", []string{"m=audio 4000 RTP/AVPF 0"}, plain(0), plain(0), fails(ErrPlain)},
		{"SAVP", []string{savp, crypto80}, fails(ErrProfile), secure(0, "1"), secure(0, "1")},
		{"SAVPF", []string{"m=audio 4000 RTP/SAVPF 0", crypto80}, fails(ErrProfile), secure(0, "1"), secure(0, "1")},
		{"lower case", []string{"m=AUDIO 4000 rtp/savp 0", crypto80}, fails(ErrProfile), secure(0, "1"), secure(0, "1")},
		{"AVP with crypto", []string{avp, crypto80}, plain(0), secure(0, "1"), secure(0, "1")},
		{"AVP, no crypto usable", []string{avp, cryptoF8, cryptoBad}, plain(0), plain(0), fails(ErrNoSuite)},
		{"SAVP, no crypto usable", []string{savp, cryptoF8, cryptoBad}, fails(ErrProfile), fails(ErrNoSuite), fails(ErrNoSuite)},
		{"SAVP without crypto", []string{savp}, fails(ErrProfile), fails(ErrNoSuite), fails(ErrNoSuite)},
		{"crypto of the session", []string{crypto80, savp}, fails(ErrProfile), fails(ErrNoSuite), fails(ErrNoSuite)},
		{"unusable lines are passed over", []string{savp, cryptoF8, cryptoBad, crypto256, crypto80}, fails(ErrProfile), secure(0, "3"), secure(0, "3")},
		{"the offer's order counts", []string{savp, crypto32, crypto80}, fails(ErrProfile), secure(0, "2"), secure(0, "2")},
		{"the twin without MKI", []string{savp, crypto80 + "|2^31|1:4", crypto32, strings.Replace(crypto80, ":1 ", ":7 ", 1)}, fails(ErrProfile), secure(0, "7"), secure(0, "7")},
		{"MKI and no twin", []string{savp, crypto80 + "|2^31|1:4", crypto32}, fails(ErrProfile), secure(0, "1"), secure(0, "1")},
		{"twins, SAVP first", []string{savp, crypto80, avp}, plain(1), secure(0, "1"), secure(0, "1")},
		{"twins, AVP first", []string{avp, savp, crypto80}, plain(0), secure(1, "1"), secure(1, "1")},
		{"twins, AVP with crypto", []string{avp, crypto32, savp, crypto80}, plain(0), secure(1, "1"), secure(1, "1")},
		{"twins, SAVP unusable", []string{savp, cryptoF8, avp}, plain(1), plain(1), fails(ErrNoSuite)},
		{"twins, AVP first, SAVP unusable", []string{avp, savp, cryptoF8}, plain(0), plain(0), fails(ErrNoSuite)},
		{"two plain lines", []string{avp, avp}, plain(0), plain(0), fails(ErrPlain)},
		{"video before audio", []string{"m=video 6000 RTP/SAVP 99", crypto32, savp, crypto80}, fails(ErrProfile), secure(1, "1"), secure(1, "1")},
		{"image after audio", []string{savp, crypto80, "m=image 4002 udptl t38"}, fails(ErrProfile), secure(0, "1"), secure(0, "1")},
		{"image only", []string{"m=image 4002 udptl t38"}, fails(ErrNoAudio), fails(ErrNoAudio), fails(ErrNoAudio)},
		{"nothing", nil, fails(ErrNoAudio), fails(ErrNoAudio), fails(ErrNoAudio)},
		{"audio refused", []string{"m=audio 0 RTP/AVP 0", "m=audio 0/2 RTP/SAVP 0", "m=audio 00 RTP/AVP 0"}, fails(ErrNoAudio), fails(ErrNoAudio), fails(ErrNoAudio)},
		{"DTLS", []string{"m=audio 4000 UDP/TLS/RTP/SAVPF 0", crypto80}, fails(ErrProfile), fails(ErrProfile), fails(ErrProfile)},
		{"TCP", []string{"m=audio 4000 TCP/RTP/AVP 0"}, fails(ErrProfile), fails(ErrProfile), fails(ErrProfile)},
		{"DTLS with a twin", []string{"m=audio 4000 UDP/TLS/RTP/SAVPF 0", savp, crypto80}, fails(ErrProfile), secure(1, "1"), secure(1, "1")},
		{"bad twin", []string{"m=audio 99999 RTP/SAVP 0", avp}, plain(1), plain(1), fails(ErrSyntax)},
	} {
		for mode, want := range map[Mode]result{Off: tt.off, Preferred: tt.preferred, Required: tt.required} {
			t.Run(tt.name+" "+mode.String(), func(t *testing.T) {
				s, err := ReadOffer(call(t, tt.lines...), mode, nil)
				if !errors.Is(err, want.err) || (err == nil) != (want.err == nil) {
					t.Fatalf("got %v, want %v", err, want.err)
				}
				if err != nil && strings.Contains(err.Error(), key30) {
					t.Error("the error holds the key")
				}
				if err == nil && (s.Index != want.index || s.Crypto.Tag != want.tag || s.Secure != (want.tag != "")) {
					t.Errorf("got line %d, tag %q", s.Index, s.Crypto.Tag)
				}
			})
		}
	}
}

// TestGCMFirst: where both ends can, GCM is what is agreed on. Our own offers, whose first line most remotes take, begin
// with it; of an offer that has it anywhere it is taken, unless another suite is configured before it.
func TestGCMFirst(t *testing.T) {
	gcm, err := NewCrypto(9, srtp.ProtectionProfileAeadAes128Gcm, randomFrom(1))
	if err != nil {
		t.Fatal(err)
	}
	own, err := NewOfferKeys(Suites(), randomFrom(2))
	if err != nil || own[0].Suite != srtp.ProtectionProfileAeadAes256Gcm || own[1].Suite != srtp.ProtectionProfileAeadAes128Gcm {
		t.Errorf("our own offer begins with %s and %s, %v", SuiteName(own[0].Suite), SuiteName(own[1].Suite), err)
	}
	const aes, aead = srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.ProtectionProfileAeadAes128Gcm
	offer := call(t, "m=audio 4000 RTP/SAVP 0", crypto80, crypto32, gcm.Line())
	for _, row := range []struct {
		name   string
		accept []Suite
		tag    string
	}{
		{"a listener's default", Suites(), "9"},
		{"no list", nil, "9"},
		{"GCM configured first", []Suite{aead, aes}, "9"},
		{"GCM configured last", []Suite{aes, aead}, "1"},
		{"no GCM configured", []Suite{aes}, "1"},
	} {
		if s, err := ReadOffer(offer, Required, row.accept); err != nil || s.Crypto.Tag != row.tag {
			t.Errorf("%s: line %s, %v; want %s", row.name, s.Crypto.Tag, err, row.tag)
		}
	}
}

func TestReadOfferAccept(t *testing.T) {
	offer := call(t, "m=audio 4000 RTP/SAVP 0", crypto80, crypto32, crypto256)
	s, err := ReadOffer(offer, Required, []Suite{srtp.ProtectionProfileAes256CmHmacSha1_80, srtp.ProtectionProfileAes128CmHmacSha1_32})
	if err != nil || s.Crypto.Tag != "2" {
		t.Errorf("got %q, %v", s.Crypto.Tag, err)
	}
	_, err = ReadOffer(offer, Required, []Suite{srtp.ProtectionProfileAeadAes128Gcm})
	want := "sdp: no usable crypto line: line 6: crypto tag 1: suite AES_CM_128_HMAC_SHA1_80 is not allowed: " +
		"crypto tag 2: suite AES_CM_128_HMAC_SHA1_32 is not allowed: crypto tag 3: suite AES_256_CM_HMAC_SHA1_80 is not allowed"
	if !errors.Is(err, ErrNoSuite) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestReadOfferExplainsEveryLine(t *testing.T) {
	_, err := ReadOffer(call(t, "m=audio 4000 RTP/SAVP 0", cryptoF8, cryptoBad, "a=crypto:6 x inline:"+key30), Required, nil)
	want := "sdp: no usable crypto line: line 6: crypto tag 4: unknown suite F8_128_HMAC_SHA1_80: " +
		"crypto tag 5: UNENCRYPTED_SRTCP: crypto tag 6: unknown suite"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	many := append([]string{"m=audio 4000 RTP/SAVP 0"}, strings.Split(strings.Repeat(cryptoF8+"\n", 200)+cryptoF8, "\n")...)
	if _, err := ReadOffer(call(t, many...), Required, nil); err == nil || len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestReadOfferStream(t *testing.T) {
	ap := netip.MustParseAddrPort
	for _, tt := range []struct {
		name  string
		lines []string
		want  Stream
	}{
		{"session's c=", []string{"m=audio 4000 RTP/AVP 0 8 101"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:4001"), Payloads: []uint8{0, 8, 101}}},
		{"own c=", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 198.51.100.1", "c=IN IP4 198.51.100.2"},
			Stream{RTP: ap("198.51.100.1:4000"), RTCP: ap("198.51.100.1:4001"), Payloads: []uint8{0}}},
		{"IPv6", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1"},
			Stream{RTP: ap("[2001:db8::1]:4000"), RTCP: ap("[2001:db8::1]:4001"), Payloads: []uint8{0}}},
		{"wrong type, mapped, lower case", []string{"m=audio 4000 RTP/AVP 0", "c=in ip4 ::ffff:198.51.100.1"},
			Stream{RTP: ap("198.51.100.1:4000"), RTCP: ap("198.51.100.1:4001"), Payloads: []uint8{0}}},
		{"TTL", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 198.51.100.1/127"},
			Stream{RTP: ap("198.51.100.1:4000"), RTCP: ap("198.51.100.1:4001"), Payloads: []uint8{0}}},
		{"port count, odd payloads", []string{"m=audio 4000/2 RTP/AVP  0 0 128 x 127 -1"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:4001"), Payloads: []uint8{0, 127}}},
		{"highest port", []string{"m=audio 65535 RTP/AVP 0"},
			Stream{RTP: ap("192.0.2.10:65535"), Payloads: []uint8{0}}},
		{"a=rtcp port", []string{"m=audio 4000 RTP/AVP 0", "a=rtcp:5000"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:5000"), Payloads: []uint8{0}}},
		{"a=rtcp address", []string{"m=audio 4000 RTP/AVP 0", "a=rtcp:5000 IN IP6 2001:db8::2"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("[2001:db8::2]:5000"), Payloads: []uint8{0}}},
		{"a=rtcp 0", []string{"m=audio 4000 RTP/AVP 0", "a=rtcp:0", "a=rtcp"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:4001"), Payloads: []uint8{0}}},
		{"mux", []string{"m=audio 4000 RTP/AVP 0", "a=rtcp:5000", "a=rtcp-mux"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:4000"), Mux: true, Payloads: []uint8{0}}},
		{"sendonly", []string{"m=audio 4000 RTP/AVP 0", "a=sendonly"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:4001"), Direction: SendOnly, Held: true, Payloads: []uint8{0}}},
		{"inactive", []string{"m=audio 4000 RTP/AVP 0", "a=inactive"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:4001"), Direction: Inactive, Held: true, Payloads: []uint8{0}}},
		{"recvonly", []string{"m=audio 4000 RTP/AVP 0", "a=recvonly"},
			Stream{RTP: ap("192.0.2.10:4000"), RTCP: ap("192.0.2.10:4001"), Direction: RecvOnly, Payloads: []uint8{0}}},
		{"old hold", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0"},
			Stream{RTP: ap("0.0.0.0:4000"), RTCP: ap("0.0.0.0:4001"), Direction: SendOnly, Held: true, Payloads: []uint8{0}}},
		{"old hold, recvonly", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP6 ::", "a=recvonly"},
			Stream{RTP: ap("[::]:4000"), RTCP: ap("[::]:4001"), Direction: Inactive, Held: true, Payloads: []uint8{0}}},
		{"no address yet", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP6 abc.INVALID", "a=inactive"},
			Stream{RTP: ap("0.0.0.0:4000"), RTCP: ap("0.0.0.0:4001"), Direction: Inactive, Held: true, Payloads: []uint8{0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Proto = "RTP/AVP"
			s, err := ReadOffer(call(t, tt.lines...), Off, nil)
			if err != nil || !reflect.DeepEqual(s, tt.want) {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
}

func TestDirectionOfTheSession(t *testing.T) {
	offer := parse(t, "v=0", "c=IN IP4 192.0.2.1", "a=inactive", "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/SAVP 0", crypto80, "a=sendrecv")
	if s, err := ReadOffer(offer, Off, nil); err != nil || s.Direction != Inactive {
		t.Errorf("got %v, %v", s.Direction, err)
	}
	if s, err := ReadOffer(offer, Required, nil); err != nil || s.Direction != SendRecv {
		t.Errorf("got %v, %v", s.Direction, err)
	}
}

func TestReadOfferErrorsNameTheLine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"port", []string{"m=audio 65536 RTP/AVP 0"}, "line 6: m= wants a port up to 65535"},
		{"port of letters", []string{"m=audio x RTP/AVP 0"}, "line 6: m= wants a port up to 65535"},
		{"no payloads", []string{"m=audio 4000 RTP/AVP x"}, "line 6: m= lists no payload type"},
		{"short c=", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4"}, "line 7: c= wants IN, IP4 or IP6, and an address"},
		{"other network", []string{"m=audio 4000 RTP/AVP 0", "c=ATM NSAP 192.0.2.1"}, "line 7: c= wants IN, IP4 or IP6, and an address"},
		{"host name", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 host.example.com"}, "line 7: want a unicast IP address, not a name, a group or a zone"},
		{"group", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 224.2.1.1/127"}, "line 7: want a unicast IP address, not a name, a group or a zone"},
		{"zone", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP6 fe80::1%eth0"}, "line 7: want a unicast IP address, not a name, a group or a zone"},
		{"a=rtcp", []string{"m=audio 4000 RTP/AVP 0", "a=rtcp:x"}, "line 7: a=rtcp wants a port up to 65535"},
		{"a=rtcp address", []string{"m=audio 4000 RTP/AVP 0", "a=rtcp:5000 IN IP4 x"}, "line 7: want a unicast IP address, not a name, a group or a zone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadOffer(call(t, tt.lines...), Off, nil)
			if !errors.Is(err, ErrSyntax) || err.Error() != "sdp: syntax: "+tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := ReadOffer(parse(t, "v=0", "m=audio 4000 RTP/AVP 0"), Off, nil)
	if err == nil || err.Error() != "sdp: syntax: line 2: no c= line for this m= line" {
		t.Errorf("got %v", err)
	}
}

func TestReadAnswer(t *testing.T) {
	offered := keys(t, srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.ProtectionProfileAes128CmHmacSha1_32, srtp.ProtectionProfileAes256CmHmacSha1_80)
	avp, savp := "m=audio 4000 RTP/AVP 0", "m=audio 4000 RTP/SAVP 0"
	type result struct {
		tag string
		err error
	}
	plain := result{}
	fails := func(err error) result { return result{err: err} }
	for _, tt := range []struct {
		name                     string
		lines                    []string
		off, preferred, required result
	}{
		{"plain", []string{avp}, plain, plain, fails(ErrPlain)},
		{"secure", []string{savp, crypto80}, fails(ErrProfile), result{tag: "1"}, result{tag: "1"}},
		{"second line", []string{savp, crypto32}, fails(ErrProfile), result{tag: "2"}, result{tag: "2"}},
		{"draft's name", []string{savp, crypto256}, fails(ErrProfile), result{tag: "3"}, result{tag: "3"}},
		{"AVP with crypto", []string{avp, crypto80}, plain, result{tag: "1"}, result{tag: "1"}},
		{"AVPF", []string{"m=audio 4000 RTP/AVPF 0"}, plain, plain, fails(ErrPlain)},
		{"SAVP without crypto", []string{savp}, fails(ErrProfile), fails(ErrNoSuite), fails(ErrNoSuite)},
		{"unknown tag", []string{savp, "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:" + key30}, fails(ErrProfile), fails(ErrTag), fails(ErrTag)},
		{"unknown tag in AVP", []string{avp, "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:" + key30}, plain, fails(ErrTag), fails(ErrTag)},
		{"tag of another suite", []string{savp, "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:" + key30}, fails(ErrProfile), fails(ErrTag), fails(ErrTag)},
		{"our own key", []string{savp, offered[0].Line()}, fails(ErrProfile), fails(ErrReuse), fails(ErrReuse)},
		{"our key of another line", []string{savp, strings.Replace(offered[1].Line(), "crypto:2 AES_CM_128_HMAC_SHA1_32", "crypto:1 AES_CM_128_HMAC_SHA1_80", 1)},
			fails(ErrProfile), fails(ErrReuse), fails(ErrReuse)},
		{"unusable", []string{savp, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTP"}, fails(ErrProfile), fails(ErrNoSuite), fails(ErrNoSuite)},
		{"unusable in AVP", []string{avp, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTP"}, plain, fails(ErrNoSuite), fails(ErrNoSuite)},
		{"two lines, the second fits", []string{savp, cryptoF8, crypto32}, fails(ErrProfile), result{tag: "2"}, result{tag: "2"}},
		{"refused", []string{"m=audio 0 RTP/SAVP 0"}, fails(ErrRejected), fails(ErrRejected), fails(ErrRejected)},
		{"no audio", []string{"m=image 4000 udptl t38"}, fails(ErrRejected), fails(ErrRejected), fails(ErrRejected)},
		{"DTLS", []string{"m=audio 4000 UDP/TLS/RTP/SAVP 0"}, fails(ErrProfile), fails(ErrProfile), fails(ErrProfile)},
		{"bad port", []string{"m=audio 70000 RTP/SAVP 0"}, fails(ErrSyntax), fails(ErrSyntax), fails(ErrSyntax)},
	} {
		for mode, want := range map[Mode]result{Off: tt.off, Preferred: tt.preferred, Required: tt.required} {
			t.Run(tt.name+" "+mode.String(), func(t *testing.T) {
				s, err := ReadAnswer(call(t, tt.lines...), mode, offered)
				if !errors.Is(err, want.err) || (err == nil) != (want.err == nil) {
					t.Fatalf("got %v, want %v", err, want.err)
				}
				if err == nil && (s.Crypto.Tag != want.tag || s.Secure != (want.tag != "")) {
					t.Errorf("got tag %q, secure %t", s.Crypto.Tag, s.Secure)
				}
				for _, c := range offered {
					if err != nil && strings.Contains(err.Error(), strings.TrimPrefix(c.Line(), "a=crypto:")) {
						t.Error("the error holds a key")
					}
				}
			})
		}
	}
}

func TestReadAnswerNeverMuxes(t *testing.T) {
	s, err := ReadAnswer(call(t, "m=audio 4000 RTP/AVP 0", "a=rtcp-mux"), Off, nil)
	if err != nil || s.Mux || s.RTCP.Port() != 4001 {
		t.Errorf("got %+v, %v", s, err)
	}
}
