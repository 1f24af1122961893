package transport

import "errors"

// Sentinels. Errors that tell why a trunk or a peer could not be reached are of type *Failure instead.
var (
	ErrRole      = errors.New("unknown role")
	ErrProto     = errors.New("unknown transport protocol")
	ErrConfig    = errors.New("transport configuration")
	ErrClosed    = errors.New("endpoint is closed")
	ErrFlow      = errors.New("flow is closed")
	ErrNoPath    = errors.New("no live flow and no target to send to")
	ErrAnswered  = errors.New("transaction already has its final response")
	ErrEnded     = errors.New("transaction has ended")
	ErrCancelled = errors.New("request cancelled before it was sent")
	ErrInjection = errors.New("message refused: a header contains a line break")
	ErrTooLarge  = errors.New("message is larger than a datagram can carry")
	ErrOverflow  = errors.New("remote does not read: write queue is full")
	ErrBanned    = errors.New("address is banned")
	ErrMalformed = errors.New("malformed message")
)
