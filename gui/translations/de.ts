<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
    <context>
        <name>desktop</name>
        <message>
            <source>Find</source>
            <translation>Suchen</translation>
        </message>
        <message>
            <source>Row</source>
            <translation>Zeile</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>Zeit</translation>
        </message>
        <message>
            <source>Person</source>
            <translation>Person</translation>
        </message>
        <message>
            <source>What</source>
            <translation>Was</translation>
        </message>
        <message>
            <source>Of what</source>
            <translation>Woran</translation>
        </message>
        <message>
            <source>Reason</source>
            <translation>Grund</translation>
        </message>
        <message>
            <source>Audit log</source>
            <translation>Änderungsprotokoll</translation>
        </message>
        <message>
            <source>Older rows</source>
            <translation>Ältere Zeilen</translation>
        </message>
        <message>
            <source>The row</source>
            <translation>Die Zeile</translation>
        </message>
        <message>
            <source>Verify the log</source>
            <translation>Protokoll prüfen</translation>
        </message>
        <message>
            <source>there are older ones</source>
            <translation>es gibt ältere</translation>
        </message>
        <message>
            <source>that is all</source>
            <translation>das sind alle</translation>
        </message>
        <message>
            <source>{n} rows, {more}</source>
            <translation>{n} Zeilen, {more}</translation>
        </message>
        <message>
            <source>Words in it</source>
            <translation>Wörter darin</translation>
        </message>
        <message>
            <source>File of the public key, optional</source>
            <translation>Datei des öffentlichen Schlüssels, freigestellt</translation>
        </message>
        <message>
            <source>File of heads, optional</source>
            <translation>Datei der Prüfpunkte (heads), freigestellt</translation>
        </message>
        <message>
            <source>THE ROW</source>
            <translation>DIE ZEILE</translation>
        </message>
        <message>
            <source>IS THE LOG THE ONE THAT WAS WRITTEN?</source>
            <translation>IST ES DAS PROTOKOLL, DAS GESCHRIEBEN WURDE?</translation>
        </message>
        <message>
            <source>Role</source>
            <translation>Rolle</translation>
        </message>
        <message>
            <source>Name</source>
            <translation>Name</translation>
        </message>
        <message>
            <source>Full name</source>
            <translation>Voller Name</translation>
        </message>
        <message>
            <source>State</source>
            <translation>Zustand</translation>
        </message>
        <message>
            <source>Password since</source>
            <translation>Passwort seit</translation>
        </message>
        <message>
            <source>Sessions</source>
            <translation>Sitzungen</translation>
        </message>
        <message>
            <source>Accounts</source>
            <translation>Konten</translation>
        </message>
        <message>
            <source>Reason for the change</source>
            <translation>Grund der Änderung</translation>
        </message>
        <message>
            <source>Give role</source>
            <translation>Rolle geben</translation>
        </message>
        <message>
            <source>Set password</source>
            <translation>Passwort setzen</translation>
        </message>
        <message>
            <source>Disable</source>
            <translation>Sperren</translation>
        </message>
        <message>
            <source>Enable</source>
            <translation>Freigeben</translation>
        </message>
        <message>
            <source>End sessions</source>
            <translation>Abmelden</translation>
        </message>
        <message>
            <source>Make account</source>
            <translation>Konto anlegen</translation>
        </message>
        <message>
            <source>New password</source>
            <translation>Neues Passwort</translation>
        </message>
        <message>
            <source>Name to sign in with</source>
            <translation>Name zum Anmelden</translation>
        </message>
        <message>
            <source>Password, {n} characters or more</source>
            <translation>Passwort, mindestens {n} Zeichen</translation>
        </message>
        <message>
            <source>REASON, FOR ANY CHANGE</source>
            <translation>GRUND, FÜR JEDE ÄNDERUNG</translation>
        </message>
        <message>
            <source>NEW ACCOUNT</source>
            <translation>NEUES KONTO</translation>
        </message>
        <message>
            <source>Refresh</source>
            <translation>Neu lesen</translation>
        </message>
        <message>
            <source>Persons</source>
            <translation>Personen</translation>
        </message>
        <message>
            <source>open</source>
            <translation>offen</translation>
        </message>
        <message>
            <source>{rows} rows in an unbroken chain</source>
            <translation>{rows} Zeilen in lückenloser Kette</translation>
        </message>
        <message>
            <source>{chain}, signed to row {row}; {since} since then</source>
            <translation>{chain}, unterschrieben bis Zeile {row}; {since} seitdem</translation>
        </message>
        <message>
            <source>operator</source>
            <translation>Bediener</translation>
        </message>
        <message>
            <source>process engineer</source>
            <translation>Prozessingenieur</translation>
        </message>
        <message>
            <source>quality engineer</source>
            <translation>Qualitätsingenieur</translation>
        </message>
        <message>
            <source>administrator</source>
            <translation>Verwalter</translation>
        </message>
        <message>
            <source>disabled</source>
            <translation>gesperrt</translation>
        </message>
        <message>
            <source>locked until {time}</source>
            <translation>verschlossen bis {time}</translation>
        </message>
        <message>
            <source>{error}
Everything that you typed is still here.</source>
            <translation>{error}
Alles Eingegebene ist noch da.</translation>
        </message>
        <message>
            <source>Your role neither manages accounts nor reads the audit log.</source>
            <translation>Ihre Rolle verwaltet keine Konten und liest das Änderungsprotokoll nicht.</translation>
        </message>
        <message>
            <source>Not signed in anywhere.</source>
            <translation>Nirgends angemeldet.</translation>
        </message>
        <message>
            <source>{place}: since {began}, last seen {seen}</source>
            <translation>{place}: seit {began}, zuletzt gesehen {seen}</translation>
        </message>
        <message>
            <source>Row {number}: {person}, {action}</source>
            <translation>Zeile {number}: {person}, {action}</translation>
        </message>
        <message>
            <source>Reason: {reason}</source>
            <translation>Grund: {reason}</translation>
        </message>
        <message>
            <source>Reading the whole log ...</source>
            <translation>Das ganze Protokoll wird gelesen ...</translation>
        </message>
        <message>
            <source>Verify reads the whole log and names the first row that is not as it was written.</source>
            <translation>Die Prüfung liest das ganze Protokoll und nennt die erste Zeile, die nicht so ist, wie sie geschrieben wurde.</translation>
        </message>
        <message>
            <source>Not sound. {where}: {fault}; {detail}</source>
            <translation>Nicht in Ordnung. {where}: {fault}; {detail}</translation>
        </message>
        <message>
            <source>{chain}. Signatures were not looked at: name the public key for that.</source>
            <translation>{chain}. Unterschriften wurden nicht geprüft: Dafür den öffentlichen Schlüssel nennen.</translation>
        </message>
        <message>
            <source>{chain}. None of them is signed.</source>
            <translation>{chain}. Keine davon ist unterschrieben.</translation>
        </message>
        <message>
            <source>{name} may sign in.</source>
            <translation>{name} darf sich anmelden.</translation>
        </message>
        <message>
            <source>{name} has another role.</source>
            <translation>{name} hat eine andere Rolle.</translation>
        </message>
        <message>
            <source>{name} has a new password and has to sign in again.</source>
            <translation>{name} hat ein neues Passwort und muss sich neu anmelden.</translation>
        </message>
        <message>
            <source>{name} may not sign in any more.</source>
            <translation>{name} darf sich nicht mehr anmelden.</translation>
        </message>
        <message>
            <source>{name} may sign in again.</source>
            <translation>{name} darf sich wieder anmelden.</translation>
        </message>
        <message>
            <source>{name} has to sign in again.</source>
            <translation>{name} muss sich neu anmelden.</translation>
        </message>
        <message>
            <source>altered</source>
            <translation>verändert</translation>
        </message>
        <message>
            <source>missing</source>
            <translation>fehlt</translation>
        </message>
        <message>
            <source>moved</source>
            <translation>verschoben</translation>
        </message>
        <message>
            <source>its signature does not hold</source>
            <translation>die Unterschrift gilt nicht</translation>
        </message>
        <message>
            <source>none was asked for</source>
            <translation>keiner war verlangt</translation>
        </message>
        <message>
            <source>Unforeseen fault, see the log: {error}</source>
            <translation>Unerwarteter Fehler, siehe Protokoll: {error}</translation>
        </message>
        <message>
            <source>Pass</source>
            <translation>Gut</translation>
        </message>
        <message>
            <source>Reject</source>
            <translation>Ausschuss</translation>
        </message>
        <message>
            <source>Review</source>
            <translation>Prüfen</translation>
        </message>
        <message>
            <source>Not inspected</source>
            <translation>Nicht geprüft</translation>
        </message>
        <message>
            <source>In work</source>
            <translation>In Arbeit</translation>
        </message>
        <message>
            <source>Picture of the part</source>
            <translation>Bild des Teils</translation>
        </message>
        <message>
            <source>Chart</source>
            <translation>Diagramm</translation>
        </message>
        <message>
            <source>Centre {share} ({count} of {n}), limits of these {stretches} stretches; diamonds break a run rule</source>
            <translation>Mitte {share} ({count} von {n}), Grenzen aus diesen {stretches} Abschnitten; Rauten verletzen eine Laufregel</translation>
        </message>
        <message>
            <source>{measure}, EWMA</source>
            <translation>{measure}, EWMA</translation>
        </message>
        <message>
            <source>Centre {centre}, {n} views; dots: means; limits 3 sigma of these stretches</source>
            <translation>Mitte {centre}, {n} Ansichten; gepunktet: Mittelwerte; Grenzen 3 Sigma dieser Abschnitte</translation>
        </message>
        <message>
            <source>one point beyond 3 sigma</source>
            <translation>ein Punkt jenseits von 3 Sigma</translation>
        </message>
        <message>
            <source>2 of 3 points beyond 2 sigma</source>
            <translation>2 von 3 Punkten jenseits von 2 Sigma</translation>
        </message>
        <message>
            <source>4 of 5 points beyond 1 sigma</source>
            <translation>4 von 5 Punkten jenseits von 1 Sigma</translation>
        </message>
        <message>
            <source>8 points on one side</source>
            <translation>8 Punkte auf einer Seite</translation>
        </message>
        <message>
            <source>{count} of {n} passed</source>
            <translation>{count} von {n} gut</translation>
        </message>
        <message>
            <source>between {low} and {high} (95 %)</source>
            <translation>zwischen {low} und {high} (95 %)</translation>
        </message>
        <message>
            <source>Stopped parts, p' chart</source>
            <translation>Angehaltene Teile, p'-Karte</translation>
        </message>
        <message>
            <source>Stopped as {label}, p' chart</source>
            <translation>Angehalten als {label}, p'-Karte</translation>
        </message>
        <message>
            <source>No chart: it needs two stretches of time with parts, and parts of both kinds.</source>
            <translation>Keine Karte: Sie braucht zwei Zeitabschnitte mit Teilen, und Teile beider Arten.</translation>
        </message>
        <message>
            <source>{count} of {n} parts</source>
            <translation>{count} von {n} Teilen</translation>
        </message>
        <message>
            <source>level {level}, mean {mean} of {n} views</source>
            <translation>Niveau {level}, Mittel {mean} von {n} Ansichten</translation>
        </message>
        <message>
            <source>with those before {share} of the rejects</source>
            <translation>mit den vorigen {share} des Ausschusses</translation>
        </message>
        <message>
            <source>said {said}: {count} of {n} labelled parts are defective, {band}</source>
            <translation>gesagt {said}: {count} von {n} beurteilten Teilen sind schlecht, {band}</translation>
        </message>
        <message>
            <source>Latency, ms</source>
            <translation>Latenz, ms</translation>
        </message>
        <message>
            <source>Brightness</source>
            <translation>Helligkeit</translation>
        </message>
        <message>
            <source>Sharpness</source>
            <translation>Schärfe</translation>
        </message>
        <message>
            <source>Novelty</source>
            <translation>Neuheit</translation>
        </message>
        <message>
            <source>Defect probability</source>
            <translation>Fehlerwahrscheinlichkeit</translation>
        </message>
        <message>
            <source>Yield</source>
            <translation>Gutanteil</translation>
        </message>
        <message>
            <source>With exact 95 % intervals</source>
            <translation>Mit exakten 95-%-Intervallen</translation>
        </message>
        <message>
            <source>No part in this choice.</source>
            <translation>Kein Teil in dieser Auswahl.</translation>
        </message>
        <message>
            <source>no class</source>
            <translation>ohne Klasse</translation>
        </message>
        <message>
            <source>Rejects by class</source>
            <translation>Ausschuss nach Klasse</translation>
        </message>
        <message>
            <source>{rejects} rejects of {n} parts</source>
            <translation>{rejects} Ausschuss von {n} Teilen</translation>
        </message>
        <message>
            <source>No part was rejected.</source>
            <translation>Kein Teil war Ausschuss.</translation>
        </message>
        <message>
            <source>Probability said, and seen</source>
            <translation>Wahrscheinlichkeit, gesagt und gesehen</translation>
        </message>
        <message>
            <source>{n} labelled parts, which are no random ones; a diamond lies off the diagonal</source>
            <translation>{n} beurteilte Teile, keine zufälligen; eine Raute liegt neben der Diagonale</translation>
        </message>
        <message>
            <source>No part of this choice is labelled.</source>
            <translation>Kein Teil dieser Auswahl ist beurteilt.</translation>
        </message>
        <message>
            <source>Trigger to verdict, {n} parts</source>
            <translation>Auslösung bis Urteil, {n} Teile</translation>
        </message>
        <message>
            <source>longest</source>
            <translation>längste</translation>
        </message>
        <message>
            <source>No chart: it needs two stretches of time in which this was measured.</source>
            <translation>Keine Karte: Sie braucht zwei Zeitabschnitte, in denen das gemessen wurde.</translation>
        </message>
        <message>
            <source>others</source>
            <translation>andere</translation>
        </message>
        <message>
            <source>No part of this choice was timed.</source>
            <translation>Von keinem Teil dieser Auswahl ist die Zeit bekannt.</translation>
        </message>
        <message>
            <source>{name}: {ms} ms, of {n} parts</source>
            <translation>{name}: {ms} ms, von {n} Teilen</translation>
        </message>
        <message>
            <source>last 8 hours</source>
            <translation>letzte 8 Stunden</translation>
        </message>
        <message>
            <source>last 24 hours</source>
            <translation>letzte 24 Stunden</translation>
        </message>
        <message>
            <source>last 7 days</source>
            <translation>letzte 7 Tage</translation>
        </message>
        <message>
            <source>last 30 days</source>
            <translation>letzte 30 Tage</translation>
        </message>
        <message>
            <source>all time</source>
            <translation>alle Zeit</translation>
        </message>
        <message>
            <source>Station</source>
            <translation>Station</translation>
        </message>
        <message>
            <source>Recipe</source>
            <translation>Rezept</translation>
        </message>
        <message>
            <source>Lot</source>
            <translation>Los</translation>
        </message>
        <message>
            <source>Model</source>
            <translation>Modell</translation>
        </message>
        <message>
            <source>Class</source>
            <translation>Klasse</translation>
        </message>
        <message>
            <source>Drift figure</source>
            <translation>Driftgröße</translation>
        </message>
        <message>
            <source>all stations</source>
            <translation>alle Stationen</translation>
        </message>
        <message>
            <source>all recipes</source>
            <translation>alle Rezepte</translation>
        </message>
        <message>
            <source>all lots</source>
            <translation>alle Lose</translation>
        </message>
        <message>
            <source>all models</source>
            <translation>alle Modelle</translation>
        </message>
        <message>
            <source>all classes</source>
            <translation>alle Klassen</translation>
        </message>
        <message>
            <source>Part {number}</source>
            <translation>Teil {number}</translation>
        </message>
        <message>
            <source>Parts</source>
            <translation>Teile</translation>
        </message>
        <message>
            <source>{shown} of {n} parts, the newest first</source>
            <translation>{shown} von {n} Teilen, die neuesten zuerst</translation>
        </message>
        <message>
            <source>The picture cannot be shown: {error}</source>
            <translation>Das Bild kann nicht gezeigt werden: {error}</translation>
        </message>
        <message>
            <source>Reading ...</source>
            <translation>Wird gelesen ...</translation>
        </message>
        <message>
            <source>Reading the picture ...</source>
            <translation>Das Bild wird gelesen ...</translation>
        </message>
        <message>
            <source>No picture of this part was kept.</source>
            <translation>Von diesem Teil ist kein Bild gespeichert.</translation>
        </message>
        <message>
            <source>{n} parts</source>
            <translation>{n} Teile</translation>
        </message>
        <message>
            <source>made {when}</source>
            <translation>erstellt {when}</translation>
        </message>
        <message>
            <source>{error}
What you see is what was read before. Press F5 to try again.</source>
            <translation>{error}
Sie sehen, was vorher gelesen wurde. F5 versucht es noch einmal.</translation>
        </message>
        <message>
            <source>Written: {path}</source>
            <translation>Geschrieben: {path}</translation>
        </message>
        <message>
            <source>Export</source>
            <translation>Exportieren</translation>
        </message>
        <message>
            <source>Back to the charts</source>
            <translation>Zurück zu den Karten</translation>
        </message>
        <message>
            <source>Figures</source>
            <translation>Kennzahlen</translation>
        </message>
        <message>
            <source>rendered parts, since there are no others</source>
            <translation>gerenderte Teile, da es keine anderen gibt</translation>
        </message>
        <message>
            <source>at most {share} (95 %)</source>
            <translation>höchstens {share} (95 %)</translation>
        </message>
        <message>
            <source>{count} of {n} labelled passes</source>
            <translation>{count} von {n} beurteilten guten</translation>
        </message>
        <message>
            <source>{count} of {n} labelled rejects are good</source>
            <translation>{count} von {n} beurteilten Ausschussteilen sind gut</translation>
        </message>
        <message>
            <source>half within {p50} ms, longest {worst} ms, {n} parts</source>
            <translation>die Hälfte in {p50} ms, längste {worst} ms, {n} Teile</translation>
        </message>
        <message>
            <source>YIELD</source>
            <translation>GUTANTEIL</translation>
        </message>
        <message>
            <source>STOPPED</source>
            <translation>ANGEHALTEN</translation>
        </message>
        <message>
            <source>STOPPED AS {label}</source>
            <translation>ANGEHALTEN ALS {label}</translation>
        </message>
        <message>
            <source>ESCAPES</source>
            <translation>SCHLUPF</translation>
        </message>
        <message>
            <source>OVERKILL</source>
            <translation>PSEUDOAUSSCHUSS</translation>
        </message>
        <message>
            <source>LATENCY, 99 %</source>
            <translation>LATENZ, 99 %</translation>
        </message>
        <message>
            <source>no part in this choice</source>
            <translation>kein Teil in dieser Auswahl</translation>
        </message>
        <message>
            <source>no passed part was drawn for audit and labelled blind</source>
            <translation>kein gutes Teil wurde für das Audit gezogen und blind beurteilt</translation>
        </message>
        <message>
            <source>none of {n} rejects is labelled</source>
            <translation>keines von {n} Ausschussteilen ist beurteilt</translation>
        </message>
        <message>
            <source>no part was timed</source>
            <translation>von keinem Teil ist die Zeit bekannt</translation>
        </message>
        <message>
            <source>no probability</source>
            <translation>keine Wahrscheinlichkeit</translation>
        </message>
        <message>
            <source>Defect probability {value}</source>
            <translation>Fehlerwahrscheinlichkeit {value}</translation>
        </message>
        <message>
            <source>accept what the machine said</source>
            <translation>dem Urteil der Maschine zustimmen</translation>
        </message>
        <message>
            <source>overrule it: a defective part is good; of a good one choose the defect</source>
            <translation>das Urteil umkehren: ein fehlerhaftes Teil ist gut; bei einem guten den Fehler wählen</translation>
        </message>
        <message>
            <source>the part is good</source>
            <translation>das Teil ist gut</translation>
        </message>
        <message>
            <source>the part has the defect of that number</source>
            <translation>das Teil hat den Fehler mit dieser Nummer</translation>
        </message>
        <message>
            <source>write a note; Enter leaves it</source>
            <translation>Notiz schreiben; Eingabe beendet sie</translation>
        </message>
        <message>
            <source>skip the part</source>
            <translation>das Teil überspringen</translation>
        </message>
        <message>
            <source>undo the last label: the part comes back, your next answer replaces it</source>
            <translation>letzte Antwort zurücknehmen: das Teil kommt zurück, die nächste Antwort ersetzt sie</translation>
        </message>
        <message>
            <source>move, box, polygon, brush, eraser</source>
            <translation>Verschieben, Rechteck, Vieleck, Pinsel, Radierer</translation>
        </message>
        <message>
            <source>smaller and larger brush</source>
            <translation>Pinsel kleiner und größer</translation>
        </message>
        <message>
            <source>undo and redo drawing</source>
            <translation>Zeichnung zurück und wieder vor</translation>
        </message>
        <message>
            <source>zoom, whole picture, actual size</source>
            <translation>vergrößern, ganzes Bild, Originalgröße</translation>
        </message>
        <message>
            <source>Arrows</source>
            <translation>Pfeile</translation>
        </message>
        <message>
            <source>move the picture</source>
            <translation>das Bild verschieben</translation>
        </message>
        <message>
            <source>beside a golden sample, blended with it, alone</source>
            <translation>neben einem Referenzteil, mit ihm überblendet, allein</translation>
        </message>
        <message>
            <source>show or hide what the network found, and where it saw it</source>
            <translation>zeigen oder verbergen, was das Netz gefunden hat und wo es das sah</translation>
        </message>
        <message>
            <source>go to a screen</source>
            <translation>zu einer Ansicht wechseln</translation>
        </message>
        <message>
            <source>figures and what-if: read again; in a chart arrows choose a point, Enter opens its parts</source>
            <translation>Kennzahlen und Was-wäre-wenn: neu lesen; in einer Karte wählen Pfeile einen Punkt, Enter öffnet seine Teile</translation>
        </message>
        <message>
            <source>stations: acknowledge the chosen event</source>
            <translation>Stationen: gewähltes Ereignis quittieren</translation>
        </message>
        <message>
            <source>recipes: dry run; R draws the region of interest, L a known length</source>
            <translation>Rezepte: Probelauf; R zeichnet den Prüfbereich, L eine bekannte Länge</translation>
        </message>
        <message>
            <source>lock the window</source>
            <translation>das Fenster sperren</translation>
        </message>
        <message>
            <source>Newest kept picture: part {number}</source>
            <translation>Neuestes gespeichertes Bild: Teil {number}</translation>
        </message>
        <message>
            <source>Findings</source>
            <translation>Funde</translation>
        </message>
        <message>
            <source>Heat map</source>
            <translation>Wärmebild</translation>
        </message>
        <message>
            <source>Live picture</source>
            <translation>Livebild</translation>
        </message>
        <message>
            <source>No part yet</source>
            <translation>Noch kein Teil</translation>
        </message>
        <message>
            <source>{rate} / min</source>
            <translation>{rate} / min</translation>
        </message>
        <message>
            <source>RATE</source>
            <translation>TAKT</translation>
        </message>
        <message>
            <source>FOR REVIEW</source>
            <translation>ZU PRÜFEN</translation>
        </message>
        <message>
            <source>State: {state}</source>
            <translation>Zustand: {state}</translation>
        </message>
        <message>
            <source>Live</source>
            <translation>Live</translation>
        </message>
        <message>
            <source>No station has run on this database yet.</source>
            <translation>In dieser Datenbank ist noch keine Station gelaufen.</translation>
        </message>
        <message>
            <source>No picture of this run was kept yet.</source>
            <translation>Von diesem Lauf ist noch kein Bild gespeichert.</translation>
        </message>
        <message>
            <source>No live picture: {error}</source>
            <translation>Kein Livebild: {error}</translation>
        </message>
        <message>
            <source>NEWEST PART</source>
            <translation>NEUESTES TEIL</translation>
        </message>
        <message>
            <source>HEALTH</source>
            <translation>ZUSTAND</translation>
        </message>
        <message>
            <source>no warning in this run</source>
            <translation>keine Warnung in diesem Lauf</translation>
        </message>
        <message>
            <source>The last {count} parts, {diverted} of them no pass</source>
            <translation>Die letzten {count} Teile, davon {diverted} nicht gut</translation>
        </message>
        <message>
            <source>{count} of the last {n} passed</source>
            <translation>{count} der letzten {n} sind gut</translation>
        </message>
        <message>
            <source>at least {share} % with 95 % confidence</source>
            <translation>mindestens {share} % bei 95 % Konfidenz</translation>
        </message>
        <message>
            <source>Live picture of {camera}, {age} s old</source>
            <translation>Livebild von {camera}, {age} s alt</translation>
        </message>
        <message>
            <source>ended without saying so, found at {time}</source>
            <translation>ohne Abmeldung beendet, bemerkt um {time}</translation>
        </message>
        <message>
            <source>nothing heard from the station since {time}: {words}; it is tried again every 2 s</source>
            <translation>von der Station nichts gehört seit {time}: {words}; alle 2 s ein neuer Versuch</translation>
        </message>
        <message>
            <source>What you see is of {time}: {error}. It is tried again every second; nothing is needed from you.</source>
            <translation>Stand von {time}: {error}. Jede Sekunde ein neuer Versuch; Sie müssen nichts tun.</translation>
        </message>
        <message>
            <source>Live picture of {camera}</source>
            <translation>Livebild von {camera}</translation>
        </message>
        <message>
            <source>running since {time}</source>
            <translation>läuft seit {time}</translation>
        </message>
        <message>
            <source>stopped at {time}</source>
            <translation>beendet um {time}</translation>
        </message>
        <message>
            <source>failure</source>
            <translation>Ausfall</translation>
        </message>
        <message>
            <source>function check</source>
            <translation>Funktionskontrolle</translation>
        </message>
        <message>
            <source>out of specification</source>
            <translation>außerhalb der Spezifikation</translation>
        </message>
        <message>
            <source>maintenance required</source>
            <translation>Wartungsbedarf</translation>
        </message>
        <message>
            <source>good</source>
            <translation>gut</translation>
        </message>
        <message>
            <source>heard live from the station</source>
            <translation>live von der Station</translation>
        </message>
        <message>
            <source>the start</source>
            <translation>dem Start</translation>
        </message>
        <message>
            <source>no part has a verdict yet</source>
            <translation>noch kein Teil hat ein Urteil</translation>
        </message>
        <message>
            <source>Card and certificate</source>
            <translation>Karte und Zertifikat</translation>
        </message>
        <message>
            <source>Bundles</source>
            <translation>Bündel</translation>
        </message>
        <message>
            <source>Reason (needed)</source>
            <translation>Grund (nötig)</translation>
        </message>
        <message>
            <source>Approve</source>
            <translation>Freigeben</translation>
        </message>
        <message>
            <source>Refuse</source>
            <translation>Ablehnen</translation>
        </message>
        <message>
            <source>Retire</source>
            <translation>Ausmustern</translation>
        </message>
        <message>
            <source>Propose</source>
            <translation>Vorschlagen</translation>
        </message>
        <message>
            <source>Into the shadow</source>
            <translation>In den Schatten</translation>
        </message>
        <message>
            <source>Let it serve</source>
            <translation>Einsetzen</translation>
        </message>
        <message>
            <source>Roll back</source>
            <translation>Zurückgehen</translation>
        </message>
        <message>
            <source>What is known of it</source>
            <translation>Was darüber bekannt ist</translation>
        </message>
        <message>
            <source>Second person</source>
            <translation>Zweite Person</translation>
        </message>
        <message>
            <source>Their password</source>
            <translation>Deren Passwort</translation>
        </message>
        <message>
            <source>There is no bundle in this database yet.</source>
            <translation>In dieser Datenbank ist noch kein Bündel.</translation>
        </message>
        <message>
            <source>WHAT SERVES WHERE</source>
            <translation>WAS WO ARBEITET</translation>
        </message>
        <message>
            <source>WHAT BECAME OF IT</source>
            <translation>WAS DARAUS WURDE</translation>
        </message>
        <message>
            <source>IN THE SHADOW</source>
            <translation>IM SCHATTEN</translation>
        </message>
        <message>
            <source>ORDERS</source>
            <translation>AUFTRÄGE</translation>
        </message>
        <message>
            <source>The bundle cannot be shown: {error}</source>
            <translation>Das Bündel kann nicht gezeigt werden: {error}</translation>
        </message>
        <message>
            <source>First bundle {first}, second bundle {second}: {count}</source>
            <translation>Erstes Bündel {first}, zweites Bündel {second}: {count}</translation>
        </message>
        <message>
            <source>{count} of {n} parts have the same outcome: {share}</source>
            <translation>{count} von {n} Teilen haben dasselbe Ergebnis: {share}</translation>
        </message>
        <message>
            <source>Flips, where one passes the part and the other stops it: {count}</source>
            <translation>Umschläge, bei denen eines das Teil durchlässt und das andere es anhält: {count}</translation>
        </message>
        <message>
            <source>No part of one serial number was judged by both.</source>
            <translation>Kein Teil derselben Seriennummer wurde von beiden beurteilt.</translation>
        </message>
        <message>
            <source>Choose two bundles.</source>
            <translation>Zwei Bündel wählen.</translation>
        </message>
        <message>
            <source>Neither was in the other's shadow: no part was judged by both at once.</source>
            <translation>Keines war im Schatten des anderen: kein Teil wurde von beiden zugleich beurteilt.</translation>
        </message>
        <message>
            <source>Which parts</source>
            <translation>Welche Teile</translation>
        </message>
        <message>
            <source>parts of one's shadow</source>
            <translation>Teile im Schatten</translation>
        </message>
        <message>
            <source>parts of one serial number</source>
            <translation>Teile derselben Seriennummer</translation>
        </message>
        <message>
            <source>All flips</source>
            <translation>Alle Umschläge</translation>
        </message>
        <message>
            <source>Back to the counts</source>
            <translation>Zurück zu den Anzahlen</translation>
        </message>
        <message>
            <source>Parts that one bundle passes and the other stops</source>
            <translation>Teile, die ein Bündel durchlässt und das andere anhält</translation>
        </message>
        <message>
            <source>Counting ...</source>
            <translation>Wird gezählt ...</translation>
        </message>
        <message>
            <source>First bundle</source>
            <translation>Erstes Bündel</translation>
        </message>
        <message>
            <source>Second bundle</source>
            <translation>Zweites Bündel</translation>
        </message>
        <message>
            <source>FIRST BUNDLE, DOWN; SECOND BUNDLE, ACROSS</source>
            <translation>ERSTES BÜNDEL NACH UNTEN, ZWEITES NACH RECHTS</translation>
        </message>
        <message>
            <source>Rendered parts, since there are no others.</source>
            <translation>Gerechnete Teile, da es keine anderen gibt.</translation>
        </message>
        <message>
            <source>Models</source>
            <translation>Modelle</translation>
        </message>
        <message>
            <source>Comparison</source>
            <translation>Vergleich</translation>
        </message>
        <message>
            <source>Trainings</source>
            <translation>Trainings</translation>
        </message>
        <message>
            <source>Every change asks for a reason.</source>
            <translation>Jede Änderung verlangt einen Grund.</translation>
        </message>
        <message>
            <source>{station}: stopped at {time}, with {bundle} under {recipe}</source>
            <translation>{station}: steht seit {time}, mit {bundle} unter {recipe}</translation>
        </message>
        <message>
            <source>, approved by nobody</source>
            <translation>, von niemandem freigegeben</translation>
        </message>
        <message>
            <source>{station}, beside {bundle}: {judged} parts judged, {skipped} skipped for lack of time, agrees on {share} ({count} of {judged}), {band}</source>
            <translation>{station}, neben {bundle}: {judged} Teile beurteilt, {skipped} aus Zeitmangel übergangen, einig bei {share} ({count} von {judged}), {band}</translation>
        </message>
        <message>
            <source>candidate</source>
            <translation>Kandidat</translation>
        </message>
        <message>
            <source>approved</source>
            <translation>freigegeben</translation>
        </message>
        <message>
            <source>in the shadow</source>
            <translation>im Schatten</translation>
        </message>
        <message>
            <source>serving</source>
            <translation>im Einsatz</translation>
        </message>
        <message>
            <source>retired</source>
            <translation>ausgemustert</translation>
        </message>
        <message>
            <source>refused</source>
            <translation>abgelehnt</translation>
        </message>
        <message>
            <source>without a state</source>
            <translation>ohne Stand</translation>
        </message>
        <message>
            <source>serves at {stations}</source>
            <translation>arbeitet an {stations}</translation>
        </message>
        <message>
            <source>certified</source>
            <translation>zertifiziert</translation>
        </message>
        <message>
            <source>not certified</source>
            <translation>nicht zertifiziert</translation>
        </message>
        <message>
            <source>classes: {names}</source>
            <translation>Klassen: {names}</translation>
        </message>
        <message>
            <source>limits: {proof}</source>
            <translation>Grenzen: {proof}</translation>
        </message>
        <message>
            <source>Nobody has given it a state.</source>
            <translation>Niemand hat ihm einen Stand gegeben.</translation>
        </message>
        <message>
            <source>It was in no shadow.</source>
            <translation>Es war in keinem Schatten.</translation>
        </message>
        <message>
            <source>{station} reads orders in its own ledger, which this database is not.</source>
            <translation>{station} liest Aufträge in der eigenen Datenbank; diese ist eine andere.</translation>
        </message>
        <message>
            <source>No order yet.</source>
            <translation>Noch kein Auftrag.</translation>
        </message>
        <message>
            <source>on data set {name}, {split}</source>
            <translation>an Datensatz {name}, {split}</translation>
        </message>
        <message>
            <source>{error}
Your reason is still here.</source>
            <translation>{error}
Der Grund steht noch da.</translation>
        </message>
        <message>
            <source>Said: {state}. It is in the audit log.</source>
            <translation>Gesagt: {state}. Es steht im Prüfprotokoll.</translation>
        </message>
        <message>
            <source>Ordered: {kind}. The list of orders says what comes of it.</source>
            <translation>Beauftragt: {kind}. Die Liste der Aufträge sagt, was daraus wird.</translation>
        </message>
        <message>
            <source>Your role, or what became of this bundle, allows no change here.</source>
            <translation>Ihre Rolle, oder was aus dem Bündel wurde, erlaubt hier keine Änderung.</translation>
        </message>
        <message>
            <source>Nothing proves the limits of this bundle: to approve it, a second person has to agree.</source>
            <translation>Nichts beweist die Grenzen dieses Bündels: zur Freigabe muss eine zweite Person zustimmen.</translation>
        </message>
        <message>
            <source>{station}: has never run</source>
            <translation>{station}: lief noch nie</translation>
        </message>
        <message>
            <source>, approved by {person}</source>
            <translation>, freigegeben von {person}</translation>
        </message>
        <message>
            <source>trained from {bundle}</source>
            <translation>trainiert aus {bundle}</translation>
        </message>
        <message>
            <source>Certificate</source>
            <translation>Zertifikat</translation>
        </message>
        <message>
            <source>{station}: {bundle} under {recipe} since {time}</source>
            <translation>{station}: {bundle} unter {recipe} seit {time}</translation>
        </message>
        <message>
            <source>This bundle carries no certificate.</source>
            <translation>Dieses Bündel trägt kein Zertifikat.</translation>
        </message>
        <message>
            <source>nobody says where they come from</source>
            <translation>niemand sagt, woher sie kommen</translation>
        </message>
        <message>
            <source>{n} labelled parts, until now</source>
            <translation>{n} beurteilte Teile bis jetzt</translation>
        </message>
        <message>
            <source>Set aside: {listed}</source>
            <translation>Beiseite gelegt: {listed}</translation>
        </message>
        <message>
            <source>{n} of {needed}</source>
            <translation>{n} von {needed}</translation>
        </message>
        <message>
            <source>The training waits for a worker (`inspector retrain work`).</source>
            <translation>Das Training wartet auf einen Arbeiter (`inspector retrain work`).</translation>
        </message>
        <message>
            <source>Your role may look at trainings, and start none.</source>
            <translation>Ihre Rolle darf Trainings ansehen, aber keines starten.</translation>
        </message>
        <message>
            <source>waits for a worker</source>
            <translation>wartet auf einen Arbeiter</translation>
        </message>
        <message>
            <source>is being prepared</source>
            <translation>wird vorbereitet</translation>
        </message>
        <message>
            <source>runs</source>
            <translation>läuft</translation>
        </message>
        <message>
            <source>succeeded</source>
            <translation>gelungen</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>gescheitert</translation>
        </message>
        <message>
            <source>cancelled</source>
            <translation>abgebrochen</translation>
        </message>
        <message>
            <source>It said nothing yet.</source>
            <translation>Es hat noch nichts gesagt.</translation>
        </message>
        <message>
            <source>attempt {n} of {most}</source>
            <translation>Versuch {n} von {most}</translation>
        </message>
        <message>
            <source>worker {name}, last heard at {time}</source>
            <translation>Arbeiter {name}, zuletzt gehört um {time}</translation>
        </message>
        <message>
            <source>ended at {time}</source>
            <translation>beendet um {time}</translation>
        </message>
        <message>
            <source>not labelled enough of {names}</source>
            <translation>zu wenig beurteilt von {names}</translation>
        </message>
        <message>
            <source>several classes at once</source>
            <translation>mehrere Klassen zugleich</translation>
        </message>
        <message>
            <source>about {n} more groups</source>
            <translation>noch etwa {n} Gruppen</translation>
        </message>
        <message>
            <source>label more of it</source>
            <translation>mehr davon beurteilen</translation>
        </message>
        <message>
            <source>enough</source>
            <translation>genug</translation>
        </message>
        <message>
            <source>bundle {bundle}</source>
            <translation>Bündel {bundle}</translation>
        </message>
        <message>
            <source>Said since this window looks, the newest first:</source>
            <translation>Gesagt, seit dieses Fenster zusieht, das Neueste zuerst:</translation>
        </message>
        <message>
            <source>labelled enough</source>
            <translation>genug beurteilt</translation>
        </message>
        <message>
            <source>Progress</source>
            <translation>Fortschritt</translation>
        </message>
        <message>
            <source>Minutes (0: no limit)</source>
            <translation>Minuten (0: ohne Grenze)</translation>
        </message>
        <message>
            <source>Seed</source>
            <translation>Startzahl</translation>
        </message>
        <message>
            <source>Look again</source>
            <translation>Neu ansehen</translation>
        </message>
        <message>
            <source>Start the training</source>
            <translation>Training starten</translation>
        </message>
        <message>
            <source>Cancel the chosen training</source>
            <translation>Gewähltes Training abbrechen</translation>
        </message>
        <message>
            <source>train</source>
            <translation>Training</translation>
        </message>
        <message>
            <source>val</source>
            <translation>Validierung</translation>
        </message>
        <message>
            <source>test</source>
            <translation>Test</translation>
        </message>
        <message>
            <source>groups in test</source>
            <translation>Gruppen im Test</translation>
        </message>
        <message>
            <source>enough?</source>
            <translation>genug?</translation>
        </message>
        <message>
            <source>Task</source>
            <translation>Aufgabe</translation>
        </message>
        <message>
            <source>Held against</source>
            <translation>Verglichen mit</translation>
        </message>
        <message>
            <source>No training was ever wanted here.</source>
            <translation>Hier wurde noch kein Training gewünscht.</translation>
        </message>
        <message>
            <source>Log of the training</source>
            <translation>Protokoll des Trainings</translation>
        </message>
        <message>
            <source>A FURTHER TRAINING WOULD LEARN FROM</source>
            <translation>EIN WEITERES TRAINING LERNTE AUS</translation>
        </message>
        <message>
            <source>Parts by class and split</source>
            <translation>Teile nach Klasse und Teilmenge</translation>
        </message>
        <message>
            <source>no bundle: the first of its kind</source>
            <translation>kein Bündel: das erste seiner Art</translation>
        </message>
        <message>
            <source>No recipe has run on this database yet.</source>
            <translation>Auf dieser Datenbank ist noch kein Rezept gelaufen.</translation>
        </message>
        <message>
            <source>run</source>
            <translation>Lauf</translation>
        </message>
        <message>
            <source>hold</source>
            <translation>Halt</translation>
        </message>
        <message>
            <source>change recipe</source>
            <translation>Rezept wechseln</translation>
        </message>
        <message>
            <source>let serve</source>
            <translation>einsetzen</translation>
        </message>
        <message>
            <source>shadow</source>
            <translation>Schatten</translation>
        </message>
        <message>
            <source>roll back</source>
            <translation>zurückgehen</translation>
        </message>
        <message>
            <source>self-test</source>
            <translation>Selbsttest</translation>
        </message>
        <message>
            <source>wanted</source>
            <translation>gewünscht</translation>
        </message>
        <message>
            <source>being done</source>
            <translation>in Arbeit</translation>
        </message>
        <message>
            <source>done</source>
            <translation>erledigt</translation>
        </message>
        <message>
            <source>refused by the station</source>
            <translation>von der Station abgelehnt</translation>
        </message>
        <message>
            <source>Section</source>
            <translation>Abschnitt</translation>
        </message>
        <message>
            <source>{n} wrong</source>
            <translation>{n} falsch</translation>
        </message>
        <message>
            <source>{n} changed</source>
            <translation>{n} geändert</translation>
        </message>
        <message>
            <source>changed</source>
            <translation>geändert</translation>
        </message>
        <message>
            <source>{length} px drawn</source>
            <translation>{length} px gezeichnet</translation>
        </message>
        <message>
            <source>Known length, mm</source>
            <translation>Bekannte Länge, mm</translation>
        </message>
        <message>
            <source>Use as scale</source>
            <translation>Als Maßstab nehmen</translation>
        </message>
        <message>
            <source>Learn from passed frames</source>
            <translation>Aus guten Bildern lernen</translation>
        </message>
        <message>
            <source>Dry run</source>
            <translation>Probelauf</translation>
        </message>
        <message>
            <source>Save as a revision</source>
            <translation>Als Revision speichern</translation>
        </message>
        <message>
            <source>Discard changes</source>
            <translation>Verwerfen</translation>
        </message>
        <message>
            <source>The picture cannot be shown: {error}
Choose another one.</source>
            <translation>Das Bild kann nicht gezeigt werden: {error}
Bitte ein anderes wählen.</translation>
        </message>
        <message>
            <source>Move</source>
            <translation>Schieben</translation>
        </message>
        <message>
            <source>Region</source>
            <translation>Bereich</translation>
        </message>
        <message>
            <source>Length</source>
            <translation>Länge</translation>
        </message>
        <message>
            <source>Picture to draw on</source>
            <translation>Bild zum Zeichnen</translation>
        </message>
        <message>
            <source>Draw a known length (L)</source>
            <translation>Bekannte Länge zeichnen (L)</translation>
        </message>
        <message>
            <source>part {number}, {camera}</source>
            <translation>Teil {number}, {camera}</translation>
        </message>
        <message>
            <source>now: {address}</source>
            <translation>jetzt: {address}</translation>
        </message>
        <message>
            <source>No frame of this recipe was kept. Numbers can still be typed.</source>
            <translation>Von diesem Rezept ist kein Bild gespeichert. Zahlen lassen sich trotzdem eingeben.</translation>
        </message>
        <message>
            <source>Recipes</source>
            <translation>Rezepte</translation>
        </message>
        <message>
            <source>Learned from {frames} frames of passed parts: {beyond} of them break a limit; of further frames like these at most {bound} do (95 %). Passed frames met the limits of their time.</source>
            <translation>Gelernt aus {frames} Bildern guter Teile: {beyond} davon verletzen eine Grenze; von weiteren solchen Bildern höchstens {bound} (95 %). Diese Bilder hielten die Grenzen ihrer Zeit ein.</translation>
        </message>
        <message>
            <source>General</source>
            <translation>Allgemein</translation>
        </message>
        <message>
            <source>Region of interest</source>
            <translation>Prüfbereich</translation>
        </message>
        <message>
            <source>Limits on the picture</source>
            <translation>Grenzen für das Bild</translation>
        </message>
        <message>
            <source>Limits on the probability</source>
            <translation>Grenzen für die Wahrscheinlichkeit</translation>
        </message>
        <message>
            <source>Rules on findings</source>
            <translation>Regeln für Funde</translation>
        </message>
        <message>
            <source>Gate for retrained bundles</source>
            <translation>Schranke für nachtrainierte Modelle</translation>
        </message>
        <message>
            <source>Drift watch</source>
            <translation>Driftwache</translation>
        </message>
        <message>
            <source>Camera settings</source>
            <translation>Kameraeinstellungen</translation>
        </message>
        <message>
            <source>Runtime</source>
            <translation>Laufzeit</translation>
        </message>
        <message>
            <source>Limits on the probability are changed in What if, which asks for a second person where one is due.</source>
            <translation>Grenzen für die Wahrscheinlichkeit werden unter „Was wäre wenn“ geändert; dort wird nach einer zweiten Person gefragt, wo es sie braucht.</translation>
        </message>
        <message>
            <source>One rule a line, for example:
{rule}</source>
            <translation>Eine Regel je Zeile, zum Beispiel:
{rule}</translation>
        </message>
        <message>
            <source>One feature a line, for example top.ExposureTime = 5000. Cameras: {cameras}</source>
            <translation>Eine Einstellung je Zeile, zum Beispiel top.ExposureTime = 5000. Kameras: {cameras}</translation>
        </message>
        <message>
            <source>Draw it on the picture (R), or type it. Without any number the whole frame is judged.</source>
            <translation>Auf das Bild zeichnen (R) oder eingeben. Ohne Zahlen wird das ganze Bild beurteilt.</translation>
        </message>
        <message>
            <source>missing; expected a value</source>
            <translation>fehlt; erwartet wird ein Wert</translation>
        </message>
        <message>
            <source>expected a number</source>
            <translation>erwartet wird eine Zahl</translation>
        </message>
        <message>
            <source>expected a whole number</source>
            <translation>erwartet wird eine ganze Zahl</translation>
        </message>
        <message>
            <source>expected a finite number</source>
            <translation>erwartet wird eine endliche Zahl</translation>
        </message>
        <message>
            <source>no such field</source>
            <translation>kein solches Feld</translation>
        </message>
        <message>
            <source>cannot be read: {words}</source>
            <translation>nicht lesbar: {words}</translation>
        </message>
        <message>
            <source>expected {bound} or more</source>
            <translation>erwartet wird {bound} oder mehr</translation>
        </message>
        <message>
            <source>expected more than {bound}</source>
            <translation>erwartet wird mehr als {bound}</translation>
        </message>
        <message>
            <source>expected {bound} or less</source>
            <translation>erwartet wird {bound} oder weniger</translation>
        </message>
        <message>
            <source>expected less than {bound}</source>
            <translation>erwartet wird weniger als {bound}</translation>
        </message>
        <message>
            <source>default: {value}</source>
            <translation>Vorgabe: {value}</translation>
        </message>
        <message>
            <source>not set</source>
            <translation>nicht gesetzt</translation>
        </message>
        <message>
            <source>Saved as revision {number} of {recipe}. A station runs it once its own configuration has it.</source>
            <translation>Gespeichert als Revision {number} von {recipe}. Eine Station fährt sie, sobald ihre eigene Konfiguration sie hat.</translation>
        </message>
        <message>
            <source>Somebody else changed {fields}. Your changes lie on top of that revision.</source>
            <translation>Jemand anders hat {fields} geändert. Ihre Änderungen liegen über dieser Revision.</translation>
        </message>
        <message>
            <source>Your role may look at recipes and not change them.</source>
            <translation>Ihre Rolle darf Rezepte ansehen, aber nicht ändern.</translation>
        </message>
        <message>
            <source>Working ...</source>
            <translation>In Arbeit ...</translation>
        </message>
        <message>
            <source>A dry run judges recorded parts again before you save.</source>
            <translation>Ein Probelauf beurteilt aufgezeichnete Teile neu, bevor Sie speichern.</translation>
        </message>
        <message>
            <source>The recipe was changed since the dry run: run it again.</source>
            <translation>Das Rezept wurde seit dem Probelauf geändert: Bitte noch einmal.</translation>
        </message>
        <message>
            <source>{count} of {n} recorded parts would be judged otherwise; at most {share} (95 %)</source>
            <translation>{count} von {n} aufgezeichneten Teilen würden anders beurteilt; höchstens {share} (95 %)</translation>
        </message>
        <message>
            <source>none on record</source>
            <translation>keine aufgezeichnet</translation>
        </message>
        <message>
            <source>as it ran</source>
            <translation>wie gelaufen</translation>
        </message>
        <message>
            <source>revision {number}</source>
            <translation>Revision {number}</translation>
        </message>
        <message>
            <source>by {person}: {reason}</source>
            <translation>von {person}: {reason}</translation>
        </message>
        <message>
            <source>{n} fields changed</source>
            <translation>{n} Felder geändert</translation>
        </message>
        <message>
            <source>Pictures would have to be judged again for {fields}: stored figures do not tell.</source>
            <translation>Für {fields} müssten Bilder neu beurteilt werden: Gespeicherte Zahlen sagen es nicht.</translation>
        </message>
        <message>
            <source>{count}: {before} becomes {after}</source>
            <translation>{count}: {before} wird {after}</translation>
        </message>
        <message>
            <source>{n} parts left out: stored figures do not give their outcome</source>
            <translation>{n} Teile ausgelassen: Gespeicherte Zahlen ergeben ihr Urteil nicht</translation>
        </message>
        <message>
            <source>No recorded part could be judged again.</source>
            <translation>Kein aufgezeichnetes Teil konnte neu beurteilt werden.</translation>
        </message>
        <message>
            <source>Golden sample</source>
            <translation>Referenzteil</translation>
        </message>
        <message>
            <source>No golden sample to compare with: {error}</source>
            <translation>Kein Referenzteil zum Vergleichen: {error}</translation>
        </message>
        <message>
            <source>Shown alone; next beside a golden sample</source>
            <translation>Allein gezeigt; als Nächstes neben einem Referenzteil</translation>
        </message>
        <message>
            <source>Beside a golden sample; next blended with it</source>
            <translation>Neben einem Referenzteil; als Nächstes überblendet</translation>
        </message>
        <message>
            <source>Blended with a golden sample; next alone</source>
            <translation>Mit einem Referenzteil überblendet; als Nächstes allein</translation>
        </message>
        <message>
            <source>Accept</source>
            <translation>Zustimmen</translation>
        </message>
        <message>
            <source>Overrule</source>
            <translation>Umkehren</translation>
        </message>
        <message>
            <source>Note (N)</source>
            <translation>Notiz (N)</translation>
        </message>
        <message>
            <source>Skip</source>
            <translation>Überspringen</translation>
        </message>
        <message>
            <source>Undo label</source>
            <translation>Zurücknehmen</translation>
        </message>
        <message>
            <source>Blind</source>
            <translation>Blind</translation>
        </message>
        <message>
            <source>What do you see?</source>
            <translation>Was sehen Sie?</translation>
        </message>
        <message>
            <source>What the machine said is shown after your answer.</source>
            <translation>Das Urteil der Maschine erscheint nach Ihrer Antwort.</translation>
        </message>
        <message>
            <source>Last label: {said}</source>
            <translation>Letzte Antwort: {said}</translation>
        </message>
        <message>
            <source>The picture cannot be shown: {error}
Skip this part (S), or ask for the station's image folder.</source>
            <translation>Das Bild kann nicht gezeigt werden: {error}
Überspringen Sie das Teil (S), oder fragen Sie nach dem Bilderordner der Station.</translation>
        </message>
        <message>
            <source>{waiting} waiting  ·  {labelled} labelled by you</source>
            <translation>{waiting} warten  ·  {labelled} von Ihnen beurteilt</translation>
        </message>
        <message>
            <source>Nothing waits for you. New parts appear here by themselves.</source>
            <translation>Nichts wartet auf Sie. Neue Teile erscheinen hier von selbst.</translation>
        </message>
        <message>
            <source>Part {number}: {label}</source>
            <translation>Teil {number}: {label}</translation>
        </message>
        <message>
            <source>The bundle in the shadow, {bundle}, says {outcome}</source>
            <translation>Das Modell im Schatten, {bundle}, sagt {outcome}</translation>
        </message>
        <message>
            <source>Persons disagree: {labels}</source>
            <translation>Personen sind uneins: {labels}</translation>
        </message>
        <message>
            <source>Near a limit: {distance} from it</source>
            <translation>Nahe einer Grenze: {distance} davon entfernt</translation>
        </message>
        <message>
            <source>Unlike all that is known: novelty {novelty}</source>
            <translation>Anders als alles Bekannte: Neuheit {novelty}</translation>
        </message>
        <message>
            <source>No network judged this part.</source>
            <translation>Kein Netz hat dieses Teil beurteilt.</translation>
        </message>
        <message>
            <source>The machine leans to {label}</source>
            <translation>Die Maschine neigt zu {label}</translation>
        </message>
        <message>
            <source>The machine says {label}</source>
            <translation>Die Maschine sagt {label}</translation>
        </message>
        <message>
            <source>Which defect is it? Press its number.</source>
            <translation>Welcher Fehler ist es? Drücken Sie seine Nummer.</translation>
        </message>
        <message>
            <source>This part is judged blind: say what it is, G for good or the number of the defect.</source>
            <translation>Dieses Teil wird blind beurteilt: G für gut oder die Nummer des Fehlers.</translation>
        </message>
        <message>
            <source>No network judged this part: say what it is, G for good or the number of the defect.</source>
            <translation>Kein Netz hat dieses Teil beurteilt: G für gut oder die Nummer des Fehlers.</translation>
        </message>
        <message>
            <source>Your role does not label parts.</source>
            <translation>Ihre Rolle beurteilt keine Teile.</translation>
        </message>
        <message>
            <source>{error}
Nothing that you typed or drew is lost.</source>
            <translation>{error}
Nichts Getipptes oder Gezeichnetes ist verloren.</translation>
        </message>
        <message>
            <source>Somebody asked for a label</source>
            <translation>Jemand bittet um eine Antwort</translation>
        </message>
        <message>
            <source>Near a limit</source>
            <translation>Nahe einer Grenze</translation>
        </message>
        <message>
            <source>The bundle in the shadow disagrees</source>
            <translation>Das Modell im Schatten widerspricht</translation>
        </message>
        <message>
            <source>Unlike all that is known</source>
            <translation>Anders als alles Bekannte</translation>
        </message>
        <message>
            <source>Repeat: labelled before, shown again blind</source>
            <translation>Wiederholung: schon beurteilt, noch einmal blind</translation>
        </message>
        <message>
            <source>Audit: drawn at random, judged blind</source>
            <translation>Stichprobe: zufällig gezogen, blind beurteilt</translation>
        </message>
        <message>
            <source>Persons disagree</source>
            <translation>Personen sind uneins</translation>
        </message>
        <message>
            <source>The machine could not decide</source>
            <translation>Die Maschine konnte nicht entscheiden</translation>
        </message>
        <message>
            <source>Rejected</source>
            <translation>Ausschuss</translation>
        </message>
        <message>
            <source>the machine had said {label}</source>
            <translation>die Maschine hatte {label} gesagt</translation>
        </message>
        <message>
            <source>lot</source>
            <translation>Los</translation>
        </message>
        <message>
            <source>serial</source>
            <translation>Seriennummer</translation>
        </message>
        <message>
            <source>Box</source>
            <translation>Rechteck</translation>
        </message>
        <message>
            <source>Polygon</source>
            <translation>Vieleck</translation>
        </message>
        <message>
            <source>Brush</source>
            <translation>Pinsel</translation>
        </message>
        <message>
            <source>Eraser</source>
            <translation>Radierer</translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Zurück</translation>
        </message>
        <message>
            <source>Redo</source>
            <translation>Vor</translation>
        </message>
        <message>
            <source>Clear</source>
            <translation>Leeren</translation>
        </message>
        <message>
            <source>Contrast</source>
            <translation>Kontrast</translation>
        </message>
        <message>
            <source>Gamma</source>
            <translation>Gamma</translation>
        </message>
        <message>
            <source>Whole</source>
            <translation>Ganz</translation>
        </message>
        <message>
            <source>1:1</source>
            <translation>1:1</translation>
        </message>
        <message>
            <source>nobody signed in</source>
            <translation>niemand angemeldet</translation>
        </message>
        <message>
            <source>Quit</source>
            <translation>Beenden</translation>
        </message>
        <message>
            <source>Full screen</source>
            <translation>Vollbild</translation>
        </message>
        <message>
            <source>Keys</source>
            <translation>Tasten</translation>
        </message>
        <message>
            <source>Dark</source>
            <translation>Dunkel</translation>
        </message>
        <message>
            <source>Light</source>
            <translation>Hell</translation>
        </message>
        <message>
            <source>What if</source>
            <translation>Was wäre wenn</translation>
        </message>
        <message>
            <source>Stations</source>
            <translation>Stationen</translation>
        </message>
        <message>
            <source>Lock</source>
            <translation>Sperren</translation>
        </message>
        <message>
            <source>Sign out</source>
            <translation>Abmelden</translation>
        </message>
        <message>
            <source>Database</source>
            <translation>Datenbank</translation>
        </message>
        <message>
            <source>&amp;Window</source>
            <translation>&amp;Fenster</translation>
        </message>
        <message>
            <source>&amp;View</source>
            <translation>&amp;Ansicht</translation>
        </message>
        <message>
            <source>&amp;Help</source>
            <translation>&amp;Hilfe</translation>
        </message>
        <message>
            <source>Password</source>
            <translation>Passwort</translation>
        </message>
        <message>
            <source>Language</source>
            <translation>Sprache</translation>
        </message>
        <message>
            <source>Only who locked the window opens it. Sign out here to let another in.</source>
            <translation>Nur wer gesperrt hat, kann öffnen. Melden Sie hier ab, um andere einzulassen.</translation>
        </message>
        <message>
            <source>Your work is kept as you left it. Enter your password to go on.</source>
            <translation>Ihre Arbeit ist so, wie Sie sie verlassen haben. Zum Fortfahren Passwort eingeben.</translation>
        </message>
        <message>
            <source>Nobody has an account in this database yet. Choose a name and a password of at least 10 characters.</source>
            <translation>In dieser Datenbank hat noch niemand ein Konto. Wählen Sie einen Namen und ein Passwort mit mindestens 10 Zeichen.</translation>
        </message>
        <message>
            <source>Quality engineer: labels, approves, audits</source>
            <translation>Qualität: urteilt, gibt frei, auditiert</translation>
        </message>
        <message>
            <source>Process engineer: labels, recipes, models</source>
            <translation>Prozess: urteilt, Rezepte, Modelle</translation>
        </message>
        <message>
            <source>Operator: labels</source>
            <translation>Bediener: urteilt</translation>
        </message>
        <message>
            <source>Administrator: accounts, no labels</source>
            <translation>Verwalter: Konten, urteilt nicht</translation>
        </message>
        <message>
            <source>Locked</source>
            <translation>Gesperrt</translation>
        </message>
        <message>
            <source>Unlock</source>
            <translation>Entsperren</translation>
        </message>
        <message>
            <source>Nobody has an account in this database yet. An administrator makes one with:</source>
            <translation>In dieser Datenbank hat noch niemand ein Konto. Ein Verwalter legt eines an mit:</translation>
        </message>
        <message>
            <source>First account</source>
            <translation>Erstes Konto</translation>
        </message>
        <message>
            <source>Sign in</source>
            <translation>Anmelden</translation>
        </message>
        <message>
            <source>Make account and sign in</source>
            <translation>Konto anlegen und anmelden</translation>
        </message>
        <message>
            <source>Devices</source>
            <translation>Geräte</translation>
        </message>
        <message>
            <source>Events</source>
            <translation>Ereignisse</translation>
        </message>
        <message>
            <source>Orders</source>
            <translation>Aufträge</translation>
        </message>
        <message>
            <source>Note on the event</source>
            <translation>Notiz zum Ereignis</translation>
        </message>
        <message>
            <source>Acknowledge</source>
            <translation>Quittieren</translation>
        </message>
        <message>
            <source>Give the order</source>
            <translation>Auftrag geben</translation>
        </message>
        <message>
            <source>Parts of known truth and self-test</source>
            <translation>Teile bekannter Wahrheit und Selbsttest</translation>
        </message>
        <message>
            <source>Order</source>
            <translation>Auftrag</translation>
        </message>
        <message>
            <source>Which one</source>
            <translation>Welches</translation>
        </message>
        <message>
            <source>PARTS OF KNOWN TRUTH</source>
            <translation>TEILE BEKANNTER WAHRHEIT</translation>
        </message>
        <message>
            <source>SELF-TEST</source>
            <translation>SELBSTTEST</translation>
        </message>
        <message>
            <source>EVENTS</source>
            <translation>EREIGNISSE</translation>
        </message>
        <message>
            <source>WANTED AND NOT YET SO</source>
            <translation>GEWÜNSCHT UND NOCH NICHT SO</translation>
        </message>
        <message>
            <source>no bundle: end the shadow</source>
            <translation>kein Bündel: Schatten beenden</translation>
        </message>
        <message>
            <source>{code}, must be {expected}</source>
            <translation>{code}, muss {expected} sein</translation>
        </message>
        <message>
            <source>valid from {time}</source>
            <translation>gültig ab {time}</translation>
        </message>
        <message>
            <source>alarms that nobody has acknowledged: {n}</source>
            <translation>Alarme, die niemand quittiert hat: {n}</translation>
        </message>
        <message>
            <source>waits for a person</source>
            <translation>wartet auf eine Person</translation>
        </message>
        <message>
            <source>No part of known truth is registered.</source>
            <translation>Kein Teil bekannter Wahrheit ist eingetragen.</translation>
        </message>
        <message>
            <source>{error}
What you typed is still here.</source>
            <translation>{error}
Was Sie eingegeben haben, steht noch da.</translation>
        </message>
        <message>
            <source>has never run</source>
            <translation>lief noch nie</translation>
        </message>
        <message>
            <source>no longer valid since {time}</source>
            <translation>nicht mehr gültig seit {time}</translation>
        </message>
        <message>
            <source>Note</source>
            <translation>Hinweis</translation>
        </message>
        <message>
            <source>Warning</source>
            <translation>Warnung</translation>
        </message>
        <message>
            <source>Alarm</source>
            <translation>Alarm</translation>
        </message>
        <message>
            <source>Its own port is not listened to (--station): what stands here is the database's.</source>
            <translation>Ihr eigener Anschluss wird nicht gehört (--station): was hier steht, sagt die Datenbank.</translation>
        </message>
        <message>
            <source>{bundle} under {recipe}</source>
            <translation>{bundle} unter {recipe}</translation>
        </message>
        <message>
            <source>Nothing is wanted that is not so.</source>
            <translation>Nichts ist gewünscht, was nicht schon so ist.</translation>
        </message>
        <message>
            <source>held by {person}: {reason}</source>
            <translation>angehalten von {person}: {reason}</translation>
        </message>
        <message>
            <source>the line is held: {reason}</source>
            <translation>die Linie ist angehalten: {reason}</translation>
        </message>
        <message>
            <source>failed at {time}</source>
            <translation>gescheitert um {time}</translation>
        </message>
        <message>
            <source>passes since {time}</source>
            <translation>bestanden seit {time}</translation>
        </message>
        <message>
            <source>No self-test has failed. One is done at each start, and as often as the station is told to.</source>
            <translation>Kein Selbsttest ist gescheitert. Einer läuft bei jedem Start, und so oft es der Station gesagt ist.</translation>
        </message>
        <message>
            <source>met</source>
            <translation>erfüllt</translation>
        </message>
        <message>
            <source>missed</source>
            <translation>verfehlt</translation>
        </message>
        <message>
            <source>not judged</source>
            <translation>nicht beurteilt</translation>
        </message>
        <message>
            <source>seen by {person}</source>
            <translation>gesehen von {person}</translation>
        </message>
        <message>
            <source>never shown</source>
            <translation>nie vorgelegt</translation>
        </message>
        <message>
            <source>the line may run</source>
            <translation>die Linie darf laufen</translation>
        </message>
        <message>
            <source>the line may not run</source>
            <translation>die Linie darf nicht laufen</translation>
        </message>
        <message>
            <source>Limits: pass below {below}, reject from {above}</source>
            <translation>Grenzen: gut unter {below}, Ausschuss ab {above}</translation>
        </message>
        <message>
            <source>pass limit</source>
            <translation>Gutgrenze</translation>
        </message>
        <message>
            <source>reject limit</source>
            <translation>Ausschussgrenze</translation>
        </message>
        <message>
            <source>Arrows move the {limit}, Space takes the other one</source>
            <translation>Pfeile verschieben die {limit}, Leertaste nimmt die andere</translation>
        </message>
        <message>
            <source>All parts</source>
            <translation>Alle Teile</translation>
        </message>
        <message>
            <source>Called good by a person</source>
            <translation>Von Personen gut genannt</translation>
        </message>
        <message>
            <source>Called defective by a person</source>
            <translation>Von Personen schlecht genannt</translation>
        </message>
        <message>
            <source>Pass below</source>
            <translation>Gut unter</translation>
        </message>
        <message>
            <source>Reject from</source>
            <translation>Ausschuss ab</translation>
        </message>
        <message>
            <source>Limits in force</source>
            <translation>Geltende Grenzen</translation>
        </message>
        <message>
            <source>An escape costs</source>
            <translation>Ein Schlupf kostet</translation>
        </message>
        <message>
            <source>A good part rejected costs</source>
            <translation>Ein gutes Teil im Ausschuss kostet</translation>
        </message>
        <message>
            <source>A look of a person costs</source>
            <translation>Ein Blick einer Person kostet</translation>
        </message>
        <message>
            <source>Defective parts, %</source>
            <translation>Schlechte Teile, %</translation>
        </message>
        <message>
            <source>{count} of {n} {what}</source>
            <translation>{count} von {n} {what}</translation>
        </message>
        <message>
            <source>Inside what is certified (pass below at most {below}, reject from at least {above}): both bounds still hold.</source>
            <translation>Innerhalb des Zertifizierten (gut unter höchstens {below}, Ausschuss ab mindestens {above}): Beide Schranken gelten weiter.</translation>
        </message>
        <message>
            <source>REVIEW LOAD</source>
            <translation>PRÜFAUFWAND</translation>
        </message>
        <message>
            <source>COST OF 1,000 PARTS</source>
            <translation>KOSTEN VON 1.000 TEILEN</translation>
        </message>
        <message>
            <source>bound follows</source>
            <translation>Schranke folgt</translation>
        </message>
        <message>
            <source>at most {cost} (95 %)</source>
            <translation>höchstens {cost} (95 %)</translation>
        </message>
        <message>
            <source>These limits are in force. Drag a limit, or type one.</source>
            <translation>Diese Grenzen gelten. Ziehen Sie eine Grenze, oder geben Sie eine ein.</translation>
        </message>
        <message>
            <source>Your role may try limits, and not save them.</source>
            <translation>Ihre Rolle darf Grenzen probieren, nicht speichern.</translation>
        </message>
        <message>
            <source>The bundle has no certified limits: a second person, who may approve limits, has to agree.</source>
            <translation>Das Modell hat keine zertifizierten Grenzen: Eine zweite Person, die Grenzen freigeben darf, muss zustimmen.</translation>
        </message>
        <message>
            <source>Outside what is certified (pass below at most {below}, reject from at least {above}): a second person, who may approve limits, has to agree.</source>
            <translation>Außerhalb des Zertifizierten (gut unter höchstens {below}, Ausschuss ab mindestens {above}): Eine zweite Person, die Grenzen freigeben darf, muss zustimmen.</translation>
        </message>
        <message>
            <source>{error}
Limits and reason are still here.</source>
            <translation>{error}
Grenzen und Grund sind noch da.</translation>
        </message>
        <message>
            <source>labelled defective parts pass</source>
            <translation>beurteilten schlechten Teilen kommen durch</translation>
        </message>
        <message>
            <source>labelled good parts rejected</source>
            <translation>beurteilten guten Teilen im Ausschuss</translation>
        </message>
        <message>
            <source>parts to a person</source>
            <translation>Teilen zu einer Person</translation>
        </message>
        <message>
            <source>no such part is labelled</source>
            <translation>kein solches Teil ist beurteilt</translation>
        </message>
        <message>
            <source>it needs labelled parts of both kinds</source>
            <translation>es braucht beurteilte Teile beider Arten</translation>
        </message>
        <message>
            <source>{n} not inspected, left out</source>
            <translation>{n} nicht geprüft, ausgelassen</translation>
        </message>
        <message>
            <source>now {value}</source>
            <translation>jetzt {value}</translation>
        </message>
        <message>
            <source>which of the bundle's networks runs</source>
            <translation>welches Netz des Modells läuft</translation>
        </message>
        <message>
            <source>left edge, px</source>
            <translation>linker Rand, px</translation>
        </message>
        <message>
            <source>top edge, px</source>
            <translation>oberer Rand, px</translation>
        </message>
        <message>
            <source>width, px</source>
            <translation>Breite, px</translation>
        </message>
        <message>
            <source>height, px</source>
            <translation>Höhe, px</translation>
        </message>
        <message>
            <source>golden template for networks that compare: a picture of the frame's size</source>
            <translation>Referenzbild für vergleichende Netze: ein Bild von der Größe der Aufnahme</translation>
        </message>
        <message>
            <source>enrolled variants, for embeddings; unset: those of the bundle's training set</source>
            <translation>eingelernte Varianten, für Einbettungen; nicht gesetzt: die der Trainingsdaten des Modells</translation>
        </message>
        <message>
            <source>variant that every part must be</source>
            <translation>Variante, die jedes Teil sein muss</translation>
        </message>
        <message>
            <source>expected frame width; unset: any</source>
            <translation>erwartete Breite der Aufnahme; nicht gesetzt: jede</translation>
        </message>
        <message>
            <source>expected frame height; unset: any</source>
            <translation>erwartete Höhe der Aufnahme; nicht gesetzt: jede</translation>
        </message>
        <message>
            <source>least variance of the Laplacian, grey levels squared; 0 switches it off</source>
            <translation>kleinste Varianz des Laplace-Filters, Graustufen im Quadrat; 0 schaltet es ab</translation>
        </message>
        <message>
            <source>least mean grey level</source>
            <translation>kleinste mittlere Graustufe</translation>
        </message>
        <message>
            <source>greatest mean grey level</source>
            <translation>größte mittlere Graustufe</translation>
        </message>
        <message>
            <source>greatest share of pixels at 4 or below</source>
            <translation>größter Anteil der Pixel mit 4 oder weniger</translation>
        </message>
        <message>
            <source>greatest share of pixels at 251 or above</source>
            <translation>größter Anteil der Pixel mit 251 oder mehr</translation>
        </message>
        <message>
            <source>identical frames in a row before a live camera counts as frozen</source>
            <translation>gleiche Aufnahmen in Folge, bevor eine laufende Kamera als eingefroren gilt</translation>
        </message>
        <message>
            <source>a part passes when its defect probability is below this</source>
            <translation>ein Teil ist gut, wenn seine Fehlerwahrscheinlichkeit darunter liegt</translation>
        </message>
        <message>
            <source>a part is rejected when its defect probability reaches this</source>
            <translation>ein Teil ist Ausschuss, wenn seine Fehlerwahrscheinlichkeit dies erreicht</translation>
        </message>
        <message>
            <source>a part goes to review, whatever its label, when its novelty reaches this: the share of held known parts that are less unlike the training set</source>
            <translation>ein Teil geht in die Prüfung, gleich welcher Klasse, wenn seine Neuheit dies erreicht: der Anteil zurückgehaltener bekannter Teile, die den Trainingsdaten ähnlicher sind</translation>
        </message>
        <message>
            <source>anomaly: a part goes to review when at most this share of good parts looks as strange; the rate of false alarms, exact for good parts like the held ones. Set where no defective part is known</source>
            <translation>Anomalie: ein Teil geht in die Prüfung, wenn höchstens dieser Anteil guter Teile so fremd aussieht; die Fehlalarmrate, exakt für gute Teile wie die zurückgehaltenen. Gesetzt, wo kein fehlerhaftes Teil bekannt ist</translation>
        </message>
        <message>
            <source>how the limits were chosen, and on how many parts</source>
            <translation>wie die Grenzen gewählt wurden, und an wie vielen Teilen</translation>
        </message>
        <message>
            <source>a station does not start unless a certificate holds for bundle and recipe</source>
            <translation>eine Station startet nur, wenn ein Zertifikat für Modell und Rezept gilt</translation>
        </message>
        <message>
            <source>scale of the frame; findings then have sizes in millimetres</source>
            <translation>Maßstab der Aufnahme; Funde haben dann Größen in Millimetern</translation>
        </message>
        <message>
            <source>what findings may not be, beyond the defect probability</source>
            <translation>was Funde nicht sein dürfen, über die Fehlerwahrscheinlichkeit hinaus</translation>
        </message>
        <message>
            <source>chance that a candidate beyond a margin is let by</source>
            <translation>Wahrscheinlichkeit, dass ein Kandidat jenseits einer Spanne durchkommt</translation>
        </message>
        <message>
            <source>more defective parts of any kind that may pass</source>
            <translation>so viele fehlerhafte Teile jeder Art dürfen mehr als gut gelten</translation>
        </message>
        <message>
            <source>more parts of one class of defect that may pass</source>
            <translation>so viele Teile einer Fehlerklasse dürfen mehr als gut gelten</translation>
        </message>
        <message>
            <source>the same for classes named here</source>
            <translation>dasselbe für hier genannte Klassen</translation>
        </message>
        <message>
            <source>more good parts that may be rejected</source>
            <translation>so viele gute Teile dürfen mehr Ausschuss sein</translation>
        </message>
        <message>
            <source>more good parts, and more defective ones, that may go to review</source>
            <translation>wie viele gute und wie viele defekte Teile mehr zur Prüfung dürfen</translation>
        </message>
        <message>
            <source>ECE of the candidate that its interval may not lie above</source>
            <translation>ECE des Kandidaten, über dem sein Intervall nicht liegen darf</translation>
        </message>
        <message>
            <source>median time of a part against the serving bundle's, on the same machine</source>
            <translation>mittlere Zeit je Teil (Median) gegenüber dem laufenden Modell, auf derselben Maschine</translation>
        </message>
        <message>
            <source>watch this recipe's parts</source>
            <translation>die Teile dieses Rezepts beobachten</translation>
        </message>
        <message>
            <source>parts that teach what is usual; more make it see smaller changes</source>
            <translation>Teile, aus denen das Übliche gelernt wird; mehr davon zeigen kleinere Änderungen</translation>
        </message>
        <message>
            <source>while nothing changes, at most one alarm is expected in so many parts</source>
            <translation>solange sich nichts ändert, ist höchstens ein Alarm in so vielen Teilen zu erwarten</translation>
        </message>
        <message>
            <source>parts in one point of the review and reject charts</source>
            <translation>Teile in einem Punkt der Karten für Prüfung und Ausschuss</translation>
        </message>
        <message>
            <source>after a drift alarm, what would pass goes to review</source>
            <translation>nach einem Driftalarm geht in die Prüfung, was gut wäre</translation>
        </message>
        <message>
            <source>features that a camera must show, by the camera's name and the device's names of them; what differs is told when the camera is opened</source>
            <translation>Einstellungen, die eine Kamera zeigen muss, nach dem Namen der Kamera und denen des Geräts; was abweicht, wird beim Öffnen der Kamera gemeldet</translation>
        </message>
        <message>
            <source>runtime plug-in; auto: the fastest, at any precision, that is proved on this machine</source>
            <translation>Laufzeit-Plug-in; auto: das schnellste jeder Genauigkeit, das auf dieser Maschine geprüft ist</translation>
        </message>
        <message>
            <source>where: cpu, cuda or tensorrt (onnxruntime); cpu, gpu, npu or gpu.1 (openvino); TensorRT: the first GPU, or gpu.1</source>
            <translation>wo: cpu, cuda oder tensorrt (onnxruntime); cpu, gpu, npu oder gpu.1 (openvino); TensorRT: die erste GPU oder gpu.1</translation>
        </message>
        <message>
            <source>threads of one inference; 0: all cores but one, for the line process</source>
            <translation>Threads je Inferenz; 0: alle Kerne bis auf einen, der dem Linienprozess bleibt</translation>
        </message>
        <message>
            <source>throughput: the pictures of a batch run side by side (openvino)</source>
            <translation>throughput: die Bilder eines Stapels laufen nebeneinander (openvino)</translation>
        </message>
        <message>
            <source>fast: floats may become bfloat16 or half where the device is quicker with them</source>
            <translation>fast: Gleitkommazahlen dürfen bfloat16 oder half werden, wo das Gerät damit schneller ist</translation>
        </message>
        <message>
            <source>TensorRT: pictures of one run at most; for tiles, as many as a frame has</source>
            <translation>TensorRT: Bilder eines Laufs, höchstens; bei Kacheln so viele, wie eine Aufnahme hat</translation>
        </message>
        <message>
            <source>for auto: an inference that takes longer hangs, and the spare takes over; below the deadline</source>
            <translation>für auto: eine Inferenz, die länger dauert, hängt, und die Reserve übernimmt; unter der Frist</translation>
        </message>
    </context>
</TS>
