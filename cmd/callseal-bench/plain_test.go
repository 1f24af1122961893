package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// answerPlain answers each INVITE with plain RTP, and every other request with
// 200, until the test ends.
func answerPlain(t *testing.T, l net.Listener) {
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { // ends when the bench closes the connection
				defer func() { _ = conn.Close() }()
				for lines := bufio.NewScanner(conn); ; {
					head, ok := readHead(lines)
					if !ok {
						return
					}
					_, _ = fmt.Fprint(conn, plainAnswer(head))
				}
			})
		}
	})
}

// readHead reads up to the next start of a request; bodies are skipped, as no
// line of SDP is one.
func readHead(lines *bufio.Scanner) (head []string, ok bool) {
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasSuffix(line, " SIP/2.0"):
			head = []string{line}
		case line == "" && head != nil:
			return head, true
		case head != nil:
			head = append(head, line)
		}
	}
	return nil, false
}

func plainAnswer(head []string) string {
	method, _, _ := strings.Cut(head[0], " ")
	if method == "ACK" {
		return ""
	}
	var b strings.Builder
	b.WriteString("SIP/2.0 200 OK\r\n")
	for _, line := range head[1:] {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "To":
			fmt.Fprintf(&b, "%s;tag=plain\r\n", line)
		case "Via", "From", "Call-ID", "CSeq":
			fmt.Fprintf(&b, "%s\r\n", line)
		}
	}
	body := ""
	if method == "INVITE" {
		body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
		b.WriteString("Contact: <sip:plain@127.0.0.1;transport=tcp>\r\nContent-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}
