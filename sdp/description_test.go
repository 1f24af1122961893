package sdp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestParseKeepsEveryLine(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"plain", "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0\n"},
		{"image", "v=0\ns=-\nm=image 0 udptl t38\na=T38FaxVersion:0\n"},
		{"unknown bandwidth", "v=0\nb=FOO:1\nm=audio 4000 RTP/AVP 0\nb=X-YZ:128\n"},
		{"b= before c=", "v=0\nb=AS:84\nc=IN IP4 192.0.2.1\n"},
		{"a= before t=", "v=0\na=sendrecv\nt=0 0\n"},
		{"no s= and no t=", "v=0\no=- 1 1 IN IP4 192.0.2.1\n"},
		{"negative ids", "v=0\no=- -1 -1 IN IP4 192.0.2.1\n"},
		{"decimal ids", "v=0\no=- 1.5 2.25 IN IP4 192.0.2.1\n"},
		{"lower-case profile", "v=0\nm=audio 4000 rtp/savp 0\n"},
		{"two c= lines", "v=0\nc=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.2\n"},
		{"unknown letter", "v=0\nq=what\n"},
		{"empty values", "v=0\ns=\na=\n"},
		{"Latin-1", "v=0\ns=caf\xe9\n"},
		{"spaces kept", "v=0\na= odd : value \n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.ReplaceAll(tt.text, "\n", "\r\n")
			for _, form := range []string{want, tt.text, strings.TrimSuffix(want, "\r\n"), want + "\r\n", "\n" + tt.text + " \n"} {
				d, err := Parse([]byte(form))
				if err != nil {
					t.Fatalf("%q: %v", form, err)
				}
				if got := d.Bytes(); string(got) != want {
					t.Errorf("%q becomes %q", form, got)
				}
			}
		})
	}
}

func TestParseErrorsNameTheLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "empty description"},
		{"blank", "\r\n\r\n", "empty description"},
		{"no v=", "o=- 1 1 IN IP4 192.0.2.1\n", "line 1: want v=0 first"},
		{"version 1", "v=1\n", "line 1: want v=0 first"},
		{"m= first", "m=audio 4000 RTP/AVP 0\n", "line 1: want v=0 first"},
		{"no equals sign", "v=0\ns=-\nhello\n", "line 3: want a letter and an equals sign"},
		{"no letter", "v=0\n\n=x\n", "line 3: want a letter and an equals sign"},
		{"a digit", "v=0\n1=x\n", "line 2: want a letter and an equals sign"},
		{"one byte", "v=0\ns\n", "line 2: want a letter and an equals sign"},
		{"a key without its letter", "v=0\ncrypto:1 inline:" + key30, "line 2: want a letter and an equals sign"},
		{"NUL", "v=0\ns=\x00\n", "line 2: carriage return or NUL within the line"},
		{"bare CR", "v=0\rs=-\n", "line 1: carriage return or NUL within the line"},
		{"short m=", "v=0\nm=audio 4000\n", "line 2: m= wants media, port and profile"},
		{"key among formats", "v=0\nm=audio 4000 RTP/AVP 0 inline:" + key30, "line 2: m= with a colon"},
		{"65 m-lines", "v=0\n" + strings.Repeat("m=audio 0 RTP/AVP 0\n", 65), "line 66: more than 64 m= lines"},
		{"too long", "v=0\n" + strings.Repeat("a=x\n", MaxSize/4), "32772 bytes, at most 32768 are taken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if !errors.Is(err, ErrSyntax) || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), key30) {
				t.Error("the error holds the key")
			}
		})
	}
}

func TestParseTakesTheLargest(t *testing.T) {
	text := []byte("v=0\r\n" + strings.Repeat("m=audio 0 RTP/AVP 0\r\n", maxMedia) + "a=")
	text = append(text, bytes.Repeat([]byte("x"), MaxSize-len(text)-2)...)
	text = append(text, "\r\n"...)
	d, err := Parse(text)
	if err != nil || len(text) != MaxSize || !bytes.Equal(d.Bytes(), text) {
		t.Errorf("%d bytes: %v", len(text), err)
	}
}

func TestNilDescriptionPrints(t *testing.T) {
	if got := (*Description)(nil).String(); got != "sdp.Description(nil)" {
		t.Error(got)
	}
}
