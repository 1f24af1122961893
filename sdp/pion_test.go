package sdp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	psdp "github.com/pion/sdp/v3"
)

// Every description here is refused by pion/sdp itself; our copy of it is not.
func TestPionTakesTheNormalisedCopy(t *testing.T) {
	const head, audio = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n", "m=audio 4000 RTP/AVP 0\r\n"
	for _, tt := range []struct{ name, text string }{
		{"unknown b=", head + "b=FOO:1\r\nt=0 0\r\n" + audio},
		{"b= before c=", head + "b=AS:84\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + audio},
		{"a= before t=", head + "c=IN IP4 192.0.2.1\r\na=sendrecv\r\nt=0 0\r\n" + audio},
		{"no s=", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nt=0 0\r\n" + audio},
		{"no t=", head + audio},
		{"negative id", "v=0\r\no=- -1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" + audio},
		{"decimal version", "v=0\r\no=- 1 1.5 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" + audio},
		{"lower-case profile", head + "t=0 0\r\nm=audio 4000 rtp/savp 0\r\n"},
		{"no last line end", head + "t=0 0\r\nm=audio 4000 RTP/AVP 0"},
		{"two faults in the m-line's part", head + "t=0 0\r\n" + audio + "b=AS:64\r\nb=X-Y:x\r\nc=IN IP4 224.2.1.1/127\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := new(psdp.SessionDescription).UnmarshalString(tt.text); err == nil {
				t.Fatal("pion/sdp takes it as it is")
			}
			text := normalised(t, tt.text)
			if err := new(psdp.SessionDescription).UnmarshalString(text); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
		})
	}
}

func normalised(t *testing.T, text string) string {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Pion()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestPionCopy(t *testing.T) {
	got := normalised(t, "v=0\no=alice 12 x IN ip6 2001:db8::1\ns=Talk\nc=IN IP6 2001:db8::1\nb=X-YZ:128\nk=clear:secret\na=tool:x\n"+
		"t=1 2\nm=Audio 4000/2 rtp/savpf 0 101\ni=main\nc=IN IP4 192.0.2.1/127\n"+crypto80+"\na=ptime:20\na=sendrecv\nm=image 0 udptl t38\n")
	want := strings.ReplaceAll(`v=0
o=alice 12 0 IN IP6 2001:db8::1
s=Talk
c=IN IP6 2001:db8::1
b=X-YZ:128
t=1 2
a=tool:x
m=audio 4000/2 RTP/SAVPF 0 101
i=main
c=IN IP4 192.0.2.1
a=ptime:20
a=sendrecv
m=image 0 udptl t38
`, "\n", "\r\n")
	want = strings.Replace(want, "udptl", "UDPTL", 1)
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestPionHasNoKey(t *testing.T) {
	d := call(t, "k=clear:"+key30, "m=audio 4000 RTP/SAVP 0", crypto80, "a=key-mgmt:mikey "+key30, "a=acap:1 crypto:1 x inline:"+key30)
	p, err := d.Pion()
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Marshal()
	if err != nil || strings.Contains(fmt.Sprintf("%+v %s", p, text), key30) {
		t.Errorf("the copy holds the key, or %v", err)
	}
}

func TestPionRefusesAPortOfLetters(t *testing.T) {
	_, err := call(t, "m=audio x RTP/AVP 0").Pion()
	if !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), "line 6") {
		t.Errorf("got %v", err)
	}
}
