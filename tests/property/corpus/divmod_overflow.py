"""The quotient of the smallest int by -1 leaves 64 bits: a trap, for a documented reason."""


def quotient(x: int) -> int:
    q, r = divmod(x, -1)
    return r + q


# call quotient(-9223372036854775808)
# call quotient(9223372036854775807)
