package sdp

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// spellings are the forms in which a key could show.
func spellings(key []byte) []string {
	return []string{
		string(key), base64.StdEncoding.EncodeToString(key), hex.EncodeToString(key),
		strings.ToUpper(hex.EncodeToString(key)), fmt.Sprint(key), fmt.Sprintf("%#v", key), fmt.Sprintf("% x", key),
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	c := keys(t)[0]
	d := call(t, "m=audio 4000 RTP/SAVP 0", c.Line())
	s, err := ReadOffer(d, Required, nil)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{
		"secret": c.Key, "crypto": c, "crypto pointer": &c, "slice": []Crypto{c}, "stream": s,
		"description": d, "exposed": []any{d.GoString(), d.LogValue()}, "description in a struct": struct{ D *Description }{d},
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "value", v)
			if err := json.NewEncoder(&out).Encode(v); err != nil {
				t.Fatal(err)
			}
			for _, spelling := range spellings(c.Key) {
				if strings.Contains(out.String(), spelling) {
					t.Errorf("the key shows as %q", spelling)
				}
			}
		})
	}
}

func TestSecretReadsRedacted(t *testing.T) {
	s := Secret("key")
	text, err := s.MarshalText()
	for _, got := range []string{s.String(), s.GoString(), s.LogValue().String(), string(text), fmt.Sprintf("%x", s)} {
		if got != "REDACTED" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
}
