package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// collected is what callseal wrote during the whole run, and the secrets that it must not have written.
var collected collection

// collection gathers over all tests. Its mu guards all of it.
type collection struct {
	mu      sync.Mutex
	texts   []text
	secrets map[string]string // secret: what it is
}

// text is one thing that callseal wrote: a log, its metrics, an answer of its API.
type text struct{ name, body string }

var keyLine = regexp.MustCompile(`inline:([A-Za-z0-9+/]{16,})`)

// learn remembers the SRTP keys that a peer's own trace shows.
func (c *collection) learn(trace string) {
	for _, m := range keyLine.FindAllStringSubmatch(trace, -1) {
		c.secret(m[1], "an SRTP key of a call")
	}
}

// secret remembers a text that may never appear.
func (c *collection) secret(value, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.secrets == nil {
		c.secrets = map[string]string{}
	}
	c.secrets[value] = what
}

// add keeps a text for the sweep.
func (c *collection) add(name, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, text{name, body})
}

// summary says what there was to look through.
func (c *collection) summary() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("sweep: %d logs and pages of callseal, %d keys that may not be in them", len(c.texts), len(c.secrets))
}

// sweep looks for secrets in all that was collected. The error names places, never a secret.
func (c *collection) sweep() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []error
	for _, text := range c.texts {
		lines := bufio.NewScanner(strings.NewReader(text.body))
		lines.Buffer(nil, len(text.body)+1)
		for n := 1; lines.Scan(); n++ {
			if what := c.shows(lines.Text()); what != "" {
				found = append(found, fmt.Errorf("%s, line %d: %s", text.name, n, what))
			}
		}
	}
	return errors.Join(found...)
}

// shows says which secret stands in a line, empty when none does.
func (c *collection) shows(line string) string {
	if strings.Contains(line, "inline:") {
		return `"inline:"`
	}
	if strings.Contains(line, "PRIVATE KEY") {
		return "a private key"
	}
	for value, what := range c.secrets {
		if strings.Contains(line, value) {
			return what
		}
	}
	return ""
}

func TestSweepFindsWhatMustNotBeThere(t *testing.T) {
	const key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
	for _, row := range []struct {
		name, line string
		found      bool
	}{
		{"an inline key", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:REDACTED", true},
		{"a key that a peer had", "key=" + key, true},
		{"a private key", "-----BEGIN PRIVATE KEY-----", true},
		{"an honest line", "call answered suite=AES_CM_128_HMAC_SHA1_80", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var c collection
			c.learn("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "|2^31")
			c.add("log", "first line\n"+row.line+"\n")
			if err := c.sweep(); (err != nil) != row.found {
				t.Errorf("sweep says %v, want found %v", err, row.found)
			} else if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("sweep shows the key: %v", err)
			}
		})
	}
}
