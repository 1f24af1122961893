package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

// holder has a secret in the places where printers look.
type holder struct {
	Shown   Secret
	hidden  Secret
	pointer *Secret
	List    []Secret
	Map     map[string]Secret
	Any     any
}

// TestPropertySecretIsNeverPrinted: no printed form of anything that holds a
// Secret holds the password.
func TestPropertySecretIsNeverPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// No word of what is printed beside it is as long.
		password := rapid.StringMatching(`[a-zA-Z0-9!$%&/=?+*#^@:;,. ]{1,4}\x{e9}[a-zA-Z0-9"\\]{6,20}`).Draw(t, "password")
		s := NewSecret(password)
		h := holder{s, s, &s, []Secret{s}, map[string]Secret{"a": s}, s}
		for _, v := range []any{s, &s, h, &h, Credentials{User: "user", Password: s, Keys: NewKeys("user", "realm", s)}, &Credentials{User: "user", Password: s, Keys: NewKeys("user", "realm", s)}, []any{h}, NewClient(Credentials{User: "user", Password: s, Keys: NewKeys("user", "realm", s)})} {
			for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
				for _, flags := range []string{"", "+", "#", "-9", "09.3", " "} {
					hides(t, password, fmt.Sprintf("%"+flags+string(verb), v))
				}
			}
			hides(t, password, fmt.Errorf("failed: %v", v).Error())
			if text, err := json.Marshal(v); err == nil {
				hides(t, password, string(text))
			}
			if text, err := yaml.Marshal(v); err == nil {
				hides(t, password, string(text))
			}
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
			hides(t, password, log.String())
		}
		if s.Reveal() != password || !s.Equal(NewSecret(password)) || s.Equal(NewSecret(password+"x")) || s.IsZero() {
			t.Fatal("the password is not what was hidden")
		}
	})
}

func hides(t *rapid.T, password, text string) {
	for _, form := range []string{password, fmt.Sprintf("%x", password), fmt.Sprintf("%X", password), fmt.Sprint([]byte(password))} {
		if strings.Contains(text, form) {
			t.Fatalf("printed: %s", text)
		}
	}
}

func TestSecretZero(t *testing.T) {
	var s Secret
	if !s.IsZero() || s.Reveal() != "" || !s.Equal(NewSecret("")) || NewSecret("").text != nil {
		t.Error("the zero value is no empty password")
	}
	var in struct{ Password Secret }
	if err := yaml.Unmarshal([]byte("password: hunter2\n"), &in); err != nil || in.Password.Reveal() != "hunter2" {
		t.Errorf("read %q, %v", in.Password.Reveal(), err)
	}
	if !errors.Is(fmt.Errorf("x: %w", ErrRefused), ErrRefused) {
		t.Error("errors do not wrap")
	}
}
