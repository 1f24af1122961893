package ladder

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
)

var (
	digestWord   = regexp.MustCompile(`\{digest:([^:}]*):([^:}]*):([^:}]*):([^:}]*)\}`)
	digestParams = regexp.MustCompile(`realm="([^"]*)", nonce="([^"]*)"`)
)

// proofs puts the answers to the agent's last challenge where a header's value of a request to uri asks for them (RFC 7616 section 3.4).
func (a *agent) proofs(value, uri string) (string, error) {
	if !digestWord.MatchString(value) {
		return value, nil
	}
	for _, m := range slices.Backward(a.got) {
		p := digestParams.FindStringSubmatch(m.get("WWW-Authenticate"))
		if p == nil {
			continue
		}
		return digestWord.ReplaceAllStringFunc(value, func(word string) string {
			w := digestWord.FindStringSubmatch(word)
			method, user, password, count := w[1], w[2], w[3], w[4]
			response := hash(hash(user+":"+p[1]+":"+password) + ":" + p[2] + ":" + count + ":c1:auth:" + hash(method+":"+uri))
			return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, cnonce="c1", qop=auth, nc=%s`,
				user, p[1], p[2], uri, response, count)
		}), nil
	}
	return "", fmt.Errorf("%s was not challenged", a.name)
}

func hash(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
