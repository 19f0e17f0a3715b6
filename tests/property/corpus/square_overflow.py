"""The square of an int was checked for overflow as if it were its double: a wrong answer."""


def square(x: int) -> int:
    return x**2


# call square(9007199254740991)
# call square(3037000500)
# call square(-3037000500)
# call square(3037000499)
