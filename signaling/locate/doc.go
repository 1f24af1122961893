// Package locate finds the servers of a SIP domain by DNS: RFC 3263, over the records of RFC 2782 (SRV) and RFC 3403 (NAPTR).
//
// What a name server said is kept for as long as it said (RFC 2308 for what there is not), and used for longer while no name server answers
// (RFC 8767): a trunk whose DNS is dead goes on working. locate.go and order.go say which servers are tried in which order; cache.go is what
// is remembered, pure; ask.go talks to the name servers, all of them one after the other, over UDP and, where an answer is cut, over TCP.
//
// Names without a dot, and those of the hosts file, are the operating system's business. An address literal is never looked up.
package locate
