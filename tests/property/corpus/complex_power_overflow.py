"""CPython computes a complex power even where that overflows; compiled code stops before."""


def power(x: float) -> bool:
    y = x**1.5
    return bool(y)


# call power(-1e+300)
# call power(-2.0)
