"""`round(flag)` is an int; printed as `flag` it stayed a bool, and mixed arms no longer parsed."""


def rounded(flag: bool) -> int:
    return round(flag)


def arms(flag: bool, n: int) -> list[int]:
    x = round(flag) if n > 0 else n
    return [round(flag), x, round(flag) or n]


# call rounded(True)
# call arms(True, 3)
# call arms(False, -2)
