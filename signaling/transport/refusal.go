package transport

import (
	"fmt"
	"time"
)

// refusal is why a message or a connection was refused, dropped or ended: the cause label of the metrics, and of one log line.
type refusal uint8

const (
	// Framing: the connection closes, for the next message's first octet is not known.
	notSIP refusal = iota
	tlsOnPlainPort
	headerTooLarge
	messageTooLarge
	badContentLength
	partialTimeout
	firstRequestTimeout
	// Checks on one message: a request is answered, a response dropped, and the connection lives.
	badStartLine
	badVersion
	badRequestURI
	badHeader
	badVia
	badFrom
	badTo
	badContact
	badRoute
	badCallID
	badCSeq
	badMaxForwards
	missingHeader
	repeatedHeader
	methodMismatch
	shortBody
	badResponse
	parserRefused
	// Delivery.
	overload
	unanswered
	strayResponse
	lateResponse
	misroutedResponse
	strayCancel
	strayAck
	unknownSource
	scannerAgent
	// Writing.
	writeTimeout
	writeOverflow
	injection
	datagramTooLarge
	// Connections.
	addressCap
	totalCap
	descriptors
	acceptFailed
	handshakeTimeout
	handshakeFailed
	closedByRemote
	closedUnused // by the remote, right after the TLS handshake
	closedByUs
	transactionTimeout
	bannedAddress
	refusals // how many there are
)

var refusalNames = [refusals]string{
	notSIP:              "not_sip",
	tlsOnPlainPort:      "tls_on_plain_port",
	headerTooLarge:      "header_too_large",
	messageTooLarge:     "message_too_large",
	badContentLength:    "content_length",
	partialTimeout:      "partial_timeout",
	firstRequestTimeout: "first_request_timeout",
	badStartLine:        "start_line",
	badVersion:          "version",
	badRequestURI:       "request_uri",
	badHeader:           "header",
	badVia:              "via",
	badFrom:             "from",
	badTo:               "to",
	badContact:          "contact",
	badRoute:            "route",
	badCallID:           "call_id",
	badCSeq:             "cseq",
	badMaxForwards:      "max_forwards",
	missingHeader:       "missing_header",
	repeatedHeader:      "repeated_header",
	methodMismatch:      "method_mismatch",
	shortBody:           "short_body",
	badResponse:         "bad_response",
	parserRefused:       "parser",
	overload:            "overload",
	unanswered:          "unanswered",
	strayResponse:       "stray_response",
	lateResponse:        "late_response",
	misroutedResponse:   "misrouted_response",
	strayCancel:         "stray_cancel",
	strayAck:            "stray_ack",
	unknownSource:       "unknown_source",
	scannerAgent:        "scanner",
	writeTimeout:        "write_timeout",
	writeOverflow:       "write_overflow",
	injection:           "injection",
	datagramTooLarge:    "datagram_too_large",
	addressCap:          "address_cap",
	totalCap:            "total_cap",
	descriptors:         "descriptors",
	acceptFailed:        "accept_failed",
	handshakeTimeout:    "handshake_timeout",
	handshakeFailed:     "handshake_failed",
	closedByRemote:      "closed_by_remote",
	closedUnused:        "closed_unused",
	closedByUs:          "closed_by_us",
	transactionTimeout:  "transaction_timeout",
	bannedAddress:       "banned",
}

// String gives the metric label.
func (r refusal) String() string {
	if r < refusals {
		return refusalNames[r]
	}
	return fmt.Sprintf("refusal(%d)", uint8(r))
}

// malformed tells whether a request refused for this is an offence.
func (r refusal) malformed() bool {
	return r <= parserRefused && r != badResponse && r != tlsOnPlainPort
}

// fault is what is wrong with one message: the answer a request gets, and the metric label.
type fault struct {
	cause  refusal
	status int
	phrase string // reason phrase; says what to repair, never quotes the message

	retryAfter time.Duration // 0 says nothing of it
}

func (f *fault) Error() string { return fmt.Sprintf("%d %s", f.status, f.phrase) }

// Unwrap makes every fault an ErrMalformed.
func (f *fault) Unwrap() error { return ErrMalformed }

// bad is a fault answered 400 (RFC 3261 section 21.4.1: the phrase should name the syntax problem).
func bad(cause refusal, phrase string) *fault {
	return &fault{cause: cause, status: 400, phrase: phrase}
}
