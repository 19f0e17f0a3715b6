"""A local printed under another name must not hide a constant or a function that its body reads."""

x_2 = 3


def x_3(a: int) -> int:
    return a


def mixed(x: int) -> float:
    x = x / 2
    return x + x_2 + x_3(1)


# call mixed(5)
