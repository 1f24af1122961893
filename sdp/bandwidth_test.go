package sdp

import "testing"

// Who wants no RTCP says so by two bandwidths of zero (RFC 3556).
func TestNoRTCP(t *testing.T) {
	for _, row := range []struct {
		name, session, stream string
		want                  bool
	}{
		{"nothing said", "", "", false},
		{"both zero", "", "b=RS:0\r\nb=RR:0\r\n", true},
		{"of the session", "b=RR:0\r\nb=RS:0\r\n", "", true},
		{"the stream knows better", "b=RS:0\r\nb=RR:0\r\n", "b=RR:2000\r\n", false},
		{"senders may", "", "b=RS:600\r\nb=RR:0\r\n", false},
		{"receivers may", "", "b=RS:0\r\nb=RR:2000\r\n", false},
		{"one of two", "", "b=RS:0\r\n", false},
		{"no number", "", "b=RS:\r\nb=RR:x\r\n", false},
		{"zeros", "", "b=AS:64\r\nb=RS: 00\r\nb=RR:0 \r\n", true},
	} {
		d, err := Parse([]byte("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n" + row.session + "t=0 0\r\nm=audio 4000 RTP/AVP 0\r\n" + row.stream))
		if err != nil {
			t.Fatal(row.name, err)
		}
		s, err := d.read(0)
		if err != nil || s.NoRTCP != row.want {
			t.Errorf("%s: %t, %v", row.name, s.NoRTCP, err)
		}
	}
}
