package transport

import "bytes"

// redacted stands where a secret stood.
var redacted = []byte("REDACTED")

// redact copies a message without its secrets: SDES keys (RFC 4568), SDP's k= (RFC 4566 section 5.12) and key-mgmt (RFC 4567), and the
// digests and tokens of Authorization headers (RFC 3261 section 22, RFC 8898). It reads lines, so SDP inside a multipart body is found too.
func redact(raw []byte) []byte {
	out := make([]byte, 0, len(raw)+16)
	body := false
	for len(raw) > 0 {
		line := raw[:lineLength(raw)]
		if !body && hasCredentials(line) {
			for len(line) < len(raw) && (raw[len(line)] == ' ' || raw[len(line)] == '\t') { // folded
				line = raw[:len(line)+lineLength(raw[len(line):])]
			}
		}
		raw = raw[len(line):]
		switch {
		case body:
			out = redactSDP(out, line)
		case hasCredentials(line):
			out = redactCredentials(out, line)
		default:
			out = redactAfter(out, line, []byte("inline:"), " ;|\r\n")
			body = len(bytes.TrimRight(line, "\r\n")) == 0
		}
	}
	return out
}

// lineLength is the length of the first line, its end included.
func lineLength(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// redactSDP appends one line of a body. A message whose headers never ended is all headers; keys inside those are caught by inline: alone.
func redactSDP(out, line []byte) []byte {
	lower := bytes.ToLower(bytes.TrimLeft(line, " \t"))
	switch {
	case bytes.HasPrefix(lower, []byte("k=")):
		return redactFrom(out, line, '=')
	case bytes.HasPrefix(lower, []byte("a=key-mgmt:")):
		return redactFrom(out, line, ':')
	}
	return redactAfter(out, line, []byte("inline:"), " ;|\r\n")
}

// redactFrom appends a line of which everything behind a character is replaced.
func redactFrom(out, line []byte, after byte) []byte {
	out = append(append(out, line[:bytes.IndexByte(line, after)+1]...), redacted...)
	return append(out, lineEnd(line)...)
}

var credentialHeaders = [][]byte{[]byte("authorization"), []byte("proxy-authorization"), []byte("authentication-info"),
	[]byte("proxy-authentication-info")}

func hasCredentials(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte{':'})
	name = bytes.ToLower(bytes.TrimSpace(name))
	for _, h := range credentialHeaders {
		if ok && bytes.Equal(name, h) {
			return true
		}
	}
	return false
}

// redactCredentials appends one credential header, folded lines included: of a digest only response and rspauth go, any other scheme goes
// whole.
func redactCredentials(out, header []byte) []byte {
	name, value, _ := bytes.Cut(header, []byte{':'})
	out = append(append(out, name...), ':')
	digest := bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(value)), []byte("digest"))
	if !digest && !bytes.HasSuffix(bytes.ToLower(bytes.TrimSpace(name)), []byte("info")) {
		out = append(append(out, ' '), redacted...)
		return append(out, lineEnd(header)...)
	}
	for len(value) > 0 {
		part := value[:elementLength(value)]
		value = value[len(part):]
		name, _, hasValue := bytes.Cut(part, []byte{'='})
		words := bytes.Fields(bytes.ToLower(name))
		if !hasValue || len(words) == 0 || !isDigestSecret(string(words[len(words)-1])) {
			out = append(out, part...)
			continue
		}
		out = append(append(append(out, name...), '='), redacted...)
		if bytes.HasSuffix(part, []byte{','}) {
			out = append(out, ',')
		} else {
			out = append(out, lineEnd(part)...)
		}
	}
	return out
}

// isDigestSecret says whether a digest parameter lets the password be guessed offline or the request be repeated.
func isDigestSecret(name string) bool { return name == "response" || name == "rspauth" }

// elementLength is the length of the first element of a list, its comma included.
func elementLength(b []byte) int {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ',' && !quoted:
			return i + 1
		}
	}
	return len(b)
}

// redactAfter appends line with what follows each mark, up to one of the stops, replaced.
func redactAfter(out, line, mark []byte, stops string) []byte {
	for {
		i := bytes.Index(bytes.ToLower(line), mark)
		if i < 0 {
			return append(out, line...)
		}
		i += len(mark)
		out = append(append(out, line[:i]...), redacted...)
		line = line[i:]
		if end := bytes.IndexAny(line, stops); end >= 0 {
			line = line[end:]
		} else {
			line = nil
		}
	}
}

func lineEnd(line []byte) []byte { return line[len(bytes.TrimRight(line, "\r\n")):] }
