#include "textflag.h"

// FOLD makes of the last round key in K, and of one word four times in T, the next one: each word is XORed with all those
// before it and with T.
#define FOLD(K, T) \
	MOVO   K, X5; PSLLDQ $4, X5; PXOR X5, K; \
	PSLLDQ $4, X5; PXOR X5, K; \
	PSLLDQ $4, X5; PXOR X5, K; \
	PXOR   T, K

#define NEXT128(rcon) \
	AESKEYGENASSIST $rcon, X0, X1; \
	PSHUFD $0xff, X1, X1; \
	FOLD(X0, X1); \
	ADDQ   $16, BX; \
	MOVUPS X0, (BX)

// func expand128(key *[16]byte, schedule *key128)
TEXT ·expand128(SB), NOSPLIT, $0-16
	MOVQ   key+0(FP), AX
	MOVQ   schedule+8(FP), BX
	MOVUPS (AX), X0
	MOVUPS X0, (BX)
	NEXT128(0x01)
	NEXT128(0x02)
	NEXT128(0x04)
	NEXT128(0x08)
	NEXT128(0x10)
	NEXT128(0x20)
	NEXT128(0x40)
	NEXT128(0x80)
	NEXT128(0x1b)
	NEXT128(0x36)
	RET

#define EVEN256(rcon) \
	AESKEYGENASSIST $rcon, X2, X1; \
	PSHUFD $0xff, X1, X1; \
	FOLD(X0, X1); \
	ADDQ   $16, BX; \
	MOVUPS X0, (BX)

#define ODD256 \
	AESKEYGENASSIST $0, X0, X1; \
	PSHUFD $0xaa, X1, X1; \
	FOLD(X2, X1); \
	ADDQ   $16, BX; \
	MOVUPS X2, (BX)

// func expand256(key *[32]byte, schedule *key256)
TEXT ·expand256(SB), NOSPLIT, $0-16
	MOVQ   key+0(FP), AX
	MOVQ   schedule+8(FP), BX
	MOVUPS (AX), X0
	MOVUPS 16(AX), X2
	MOVUPS X0, (BX)
	ADDQ   $16, BX
	MOVUPS X2, (BX)
	EVEN256(0x01)
	ODD256
	EVEN256(0x02)
	ODD256
	EVEN256(0x04)
	ODD256
	EVEN256(0x08)
	ODD256
	EVEN256(0x10)
	ODD256
	EVEN256(0x20)
	ODD256
	EVEN256(0x40)
	RET

// func encrypt(rounds int, schedule, blocks *byte, n int)
// Eight blocks at a time keep the unit busy that one alone would wait for; those left over overlap by themselves.
TEXT ·encrypt(SB), NOSPLIT, $0-32
	MOVQ rounds+0(FP), CX
	MOVQ schedule+8(FP), BX
	MOVQ blocks+16(FP), DI
	MOVQ n+24(FP), DX

eight:
	SUBQ   $8, DX
	JLT    rest
	MOVUPS (BX), X8
	MOVUPS (DI), X0
	MOVUPS 16(DI), X1
	MOVUPS 32(DI), X2
	MOVUPS 48(DI), X3
	MOVUPS 64(DI), X4
	MOVUPS 80(DI), X5
	MOVUPS 96(DI), X6
	MOVUPS 112(DI), X7
	PXOR   X8, X0
	PXOR   X8, X1
	PXOR   X8, X2
	PXOR   X8, X3
	PXOR   X8, X4
	PXOR   X8, X5
	PXOR   X8, X6
	PXOR   X8, X7
	LEAQ   16(BX), AX
	LEAQ   -1(CX), R8

round8:
	MOVUPS (AX), X8
	AESENC X8, X0
	AESENC X8, X1
	AESENC X8, X2
	AESENC X8, X3
	AESENC X8, X4
	AESENC X8, X5
	AESENC X8, X6
	AESENC X8, X7
	ADDQ   $16, AX
	DECQ   R8
	JNZ    round8
	MOVUPS (AX), X8
	AESENCLAST X8, X0
	AESENCLAST X8, X1
	AESENCLAST X8, X2
	AESENCLAST X8, X3
	AESENCLAST X8, X4
	AESENCLAST X8, X5
	AESENCLAST X8, X6
	AESENCLAST X8, X7
	MOVUPS X0, (DI)
	MOVUPS X1, 16(DI)
	MOVUPS X2, 32(DI)
	MOVUPS X3, 48(DI)
	MOVUPS X4, 64(DI)
	MOVUPS X5, 80(DI)
	MOVUPS X6, 96(DI)
	MOVUPS X7, 112(DI)
	ADDQ   $128, DI
	JMP    eight

rest:
	ADDQ $8, DX

one:
	SUBQ   $1, DX
	JLT    done
	MOVUPS (BX), X8
	MOVUPS (DI), X0
	PXOR   X8, X0
	LEAQ   16(BX), AX
	LEAQ   -1(CX), R8

round1:
	MOVUPS (AX), X8
	AESENC X8, X0
	ADDQ   $16, AX
	DECQ   R8
	JNZ    round1
	MOVUPS (AX), X8
	AESENCLAST X8, X0
	MOVUPS X0, (DI)
	ADDQ   $16, DI
	JMP    one

done:
	RET
