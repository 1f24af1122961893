package sdp

import "testing"

func TestPasses(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"a=rtpmap:0 PCMU/8000", true},
		{"a=rtpmap:96 opus/48000/2", true},
		{"a=fmtp:18 annexb=no", true},
		{"a=fmtp:101 0-15,66,70", true},
		{"a=ptime:20", true},
		{"a=maxptime:150", true},
		{"a=silenceSupp:off - - - -", true},
		{"a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics", true},
		{"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", true},
		{"a=never-seen-before:1 2 3", true},
		{"b=AS:84", true},
		{"b=TIAS:64000", true},

		{"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key30, false},
		{"a= CRYPTO :1 AES_CM_128_HMAC_SHA1_80 " + key30, false},
		{"a=new:1 INLINE:" + key30, false},
		{"a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 " + key30, false},
		{"a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO", false},
		{"a=zrtp-hash:1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2", false},
		{"a=fingerprint:SHA-256 AB:CD", false},
		{"a=setup:actpass", false},
		{"a=rtcp:4001", false},
		{"a=rtcp-mux", false},
		{"a=rtcp-fb:* trr-int 5000", false},
		{"a=candidate:1 1 UDP 1 host.local 4000 typ host", false},
		{"a=ice-ufrag:8hhY", false},
		{"a=Ice-Lite", false},
		{"a=ssrc:1 cname:alice@pc", false},
		{"a=msid:x y", false},
		{"a=group:BUNDLE a", false},
		{"a=X-sqn:0", false},
		{"a=x-bypassid:4c0f", false},
		{"a=tool:baresip", false},
		{"a=sendrecv", false}, // written anew
		{"a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid", false},
		{"a=extmap:3 urn:ietf:params:rtp-hdrext:encrypt urn:ietf:params:rtp-hdrext:ssrc-audio-level", false},
		{"a=note:my address is 192.168.1.5", false},
		{"a=note:fe80::1", false},
		{"a=note:[2001:db8:0:0:0:0:0:1]:4000", false},
		{"a=rtpmap:97 10.0.0.1/8000", false},
		{"b=AS:10.0.0.1", false},
		{"i=Alice's telephone", false},
		{"u=http://alice.example.com/", false},
		{"e=alice@example.com", false},
		{"p=+1 617 555 6011", false},
		{"k=clear:" + key30, false},
		{"c=IN IP4 192.0.2.1", false},
		{"q=whatever", false},
	} {
		t.Run(tt.text, func(t *testing.T) {
			l, err := parseLine(1, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.passes(); got != tt.want {
				t.Errorf("passes: %t", got)
			}
		})
	}
}
