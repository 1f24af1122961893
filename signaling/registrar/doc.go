// Package registrar knows the phones that have registered through callseal:
// which address of record (AOR) each has, over which flow it is reached, and
// which dialer holds its registration. It passes REGISTER (RFC 3261 section 10)
// on to that dialer and gives the answers back: who a phone is, the dialer says,
// and no phone is known here before its dialer has said 200.
//
// A REGISTER meets the files in this order: ask.go reads it, registrar.go sends
// upstream.go's request on and brings back its answer, table.go keeps what came
// of it, keepalive.go watches over it.
package registrar
