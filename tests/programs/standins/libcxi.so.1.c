/* Stand-in for the library of Slingshot's cards: it is there, and nobody calls it. */
int cxil_open_device(void);

int cxil_open_device(void) {
    return -1;
}
