// Package transport carries SIP messages: it owns every signaling socket, frames streams itself, hands complete and checked messages to
// sipgo's parser, and delivers them in order through sipgo's transaction machines.
//
// The way of a message in, by file:
//
//	listener.go -> guard.go -> handshake.go -> connection.go (or udp.go)   sockets, caps, deadlines
//	frame.go -> normalise.go -> header.go, address.go -> validate.go       octets to a checked message; a bad one goes to refuse.go
//	lane.go                                                                one goroutine per share of the Call-IDs: order is kept here
//	server_tx.go, client_tx.go                                             transactions; Handler and Outgoing.Each are called from the lane
//
// The way out is Send, SendAck or ServerTx.Respond -> sipgo's machine -> wire.go -> the connection's writer, or the UDP socket.
// dial.go, resolve.go and verify.go open connections to trunks; failure.go says which side is wrong when that fails.
//
// What never happens here: a message of one Call-ID overtakes another of the same Call-ID that arrived before it on the same connection;
// two trunks share a dialled connection; a phone's address is dialled; a bad header closes a connection while its framing is known;
// a key, a digest or a password is logged.
package transport
