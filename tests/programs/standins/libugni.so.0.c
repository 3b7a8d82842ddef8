/* Stand-in for the library of Gemini's and Aries's cards: it is there, and nobody calls it. */
int GNI_CdmAttach(void);

int GNI_CdmAttach(void) {
    return -1;
}
